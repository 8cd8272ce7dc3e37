import { UserError } from "../src/browser";
import { type DirectionsFile, expectModel, readDirections } from "../src/inject/directions-file";
import { byId, make } from "./dom";
import type { Engine } from "./engine";
import type { Remedy } from "./status";

/** Directions that a run adds. */
export interface DirectionsAsked {
  readonly file: DirectionsFile;
  /** of every direction that has a slider */
  readonly scales: readonly number[];
  /** whether they act without the content */
  readonly alone: boolean;
}

/** Functions of the page that the directions need. */
export interface DirectionsPage {
  fail(error: unknown, remedy?: Remedy): void;
  say(text: string): void;
  /** The engine in use. Where there is none yet, a file is checked once there is. */
  engine(): Engine | undefined;
}

/** Farthest that a slider goes, either way. */
const FARTHEST = 3;

/** Most sliders: components further down explain little. */
const MOST = 12;

const EMPTY =
  "Moves the original along what was found in h, such as glasses or a smile. Open a file that the command “injectfusion directions” made, or drop it here.";

/** A file of directions in h: a slider for each, and whether they act alone. */
export class DirectionSliders {
  readonly #section = byId("section", "directions");
  readonly #input = byId("input", "directions-file");
  readonly #open = byId("button", "directions-open");
  readonly #alone = byId("input", "directions-alone");
  #file: DirectionsFile | undefined;
  #rows: readonly Row[] = [];
  /** called after every change of what a run is asked for */
  onChange: () => void = () => {};

  constructor(readonly page: DirectionsPage) {
    const input = this.#input;
    this.#open.addEventListener("click", () => input.click());
    input.addEventListener("change", () => {
      if (input.files?.[0]) void this.take(input.files[0]);
      input.value = "";
    });
    byId("button", "directions-reset").addEventListener("click", () => {
      this.#show(this.#file, []);
      this.onChange();
    });
    byId("button", "directions-remove").addEventListener("click", () => {
      this.page.say(`Removed ${this.#file?.name}.`);
      this.#show(undefined, []);
      this.#open.focus();
      this.onChange();
    });
    this.#alone.addEventListener("change", () => this.onChange());
    this.#acceptDrops();
    this.#show(undefined, []);
  }

  /** The request of a run; undefined without a file, and where nothing would be added to the content. */
  get asked(): DirectionsAsked | undefined {
    const alone = this.#alone.checked;
    const scales = this.#rows.map((row) => row.scale);
    return this.#file && (alone || scales.some(Boolean)) ? { file: this.#file, scales, alone } : undefined;
  }

  /** Shows what a run was asked for. Where that was none, the file stays and adds nothing. */
  set(asked: DirectionsAsked | undefined): void {
    if (asked && this.#misfit(asked.file)) return;
    this.#show(asked?.file ?? this.#file, asked?.scales ?? []);
    this.#alone.checked = asked?.alone ?? false;
  }

  /** Takes a file that was chosen or dropped. One that is refused leaves what was there. */
  async take(file: File): Promise<void> {
    try {
      const read = await readDirections(new Uint8Array(await file.arrayBuffer()), file.name);
      const misfit = this.#misfit(read);
      if (misfit) throw misfit;
      this.#show(read, []);
      this.page.say(`Opened ${file.name}. Move its sliders.`);
      this.onChange();
    } catch (error) {
      this.page.fail(error, { label: "Choose another…", run: () => this.#input.click() });
    }
  }

  /** Removes a file that the engine, which is another one now, has no use for. */
  fit(): void {
    const misfit = this.#file && this.#misfit(this.#file);
    if (!misfit) return;
    this.#show(undefined, []);
    this.page.fail(misfit);
  }

  /** Reason against a file, if there is an engine that it does not fit. */
  #misfit(file: DirectionsFile): Error | undefined {
    const engine = this.page.engine();
    if (!engine) return undefined;
    try {
      expectModel(file, engine.model.hash);
    } catch (error) {
      return error as Error;
    }
    const { tap } = file.info;
    if (tap === engine.tap) return undefined;
    return new UserError(
      `${file.name}: directions at "${tap}", but this page injects at "${engine.tap}"; find them at that tap`,
    );
  }

  #show(file: DirectionsFile | undefined, scales: readonly number[]): void {
    if (file !== this.#file) {
      this.#rows = file ? directionNames(file).map((name, k) => new Row(k, name, hintOf(file, k), this.onChanged)) : [];
      byId("div", "directions-sliders").replaceChildren(...this.#rows.map((row) => row.element));
    }
    this.#file = file;
    if (!file) this.#alone.checked = false;
    for (const [k, row] of this.#rows.entries()) row.scale = scales[k] ?? 0;
    byId("p", "directions-note").textContent = file ? describe(file) : EMPTY;
    const withFile = [
      byId("button", "directions-reset"),
      byId("button", "directions-remove"),
      this.#alone.parentElement!,
    ];
    for (const element of withFile) element.hidden = !file;
  }

  readonly onChanged = () => this.onChange();

  #acceptDrops(): void {
    const over = (yes: boolean) => this.#section.classList.toggle("over", yes);
    this.#section.addEventListener("dragover", () => over(true));
    this.#section.addEventListener("dragleave", () => over(false));
    this.#section.addEventListener("drop", (event) => {
      over(false);
      const file = event.dataTransfer?.files[0];
      if (!file) return;
      event.preventDefault();
      void this.take(file);
    });
  }
}

/** One slider. */
class Row {
  readonly element: HTMLElement;
  readonly #input: HTMLInputElement;
  readonly #output = make("output");
  #scale = 0;

  constructor(k: number, name: string, hint: string, onInput: () => void) {
    const id = `slider-direction-${k + 1}`;
    this.#input = make("input", {
      type: "range",
      id,
      className: "signed",
      min: String(-FARTHEST),
      max: String(FARTHEST),
      step: "0.1",
      aria: { describedby: `${id}-hint` },
    });
    this.#input.addEventListener("input", () => {
      this.scale = Math.round(10 * Number(this.#input.value)) / 10;
      onInput();
    });
    this.#output.htmlFor.add(id);
    this.element = make(
      "div",
      { className: "slider" },
      make("label", { htmlFor: id, textContent: name }),
      this.#output,
      this.#input,
      make("small", { id: `${id}-hint`, textContent: hint }),
    );
  }

  get scale(): number {
    return this.#scale;
  }

  set scale(scale: number) {
    this.#scale = scale;
    this.#input.value = String(scale);
    this.#output.textContent = signed(scale);
    this.#input.setAttribute("aria-valuetext", signed(scale));
    this.#input.style.setProperty("--fill", String((scale + FARTHEST) / (2 * FARTHEST)));
  }
}

const signed = (scale: number): string => `${scale > 0 ? "+" : scale < 0 ? "−" : ""}${Math.abs(scale).toFixed(1)}`;

/** Names of the directions of a file: a difference as its file. */
export function directionNames({ name, count, info }: DirectionsFile): string[] {
  if (info.kind === "difference" && count === 1) return [name.replace(/\.safetensors$/i, "")];
  return Array.from({ length: Math.min(MOST, count) }, (_, k) => `Component ${k + 1}`);
}

/** The directions that a run adds, in words: "glasses +1.5, ...". */
export const directionWords = ({ file, scales }: DirectionsAsked): string =>
  directionNames(file)
    .map((name, k) => [name, scales[k] ?? 0] as const)
    .filter(([, scale]) => scale !== 0)
    .map(([name, scale]) => `${name} ${signed(scale)}`)
    .join(", ") || "no direction";

function hintOf({ info }: DirectionsFile, k: number): string {
  if (info.kind === "difference") return "1 is the difference of the means.";
  const shares = Object.values(info.explained ?? {}).map((all) => Number(all?.[k] ?? 0));
  if (shares.length === 0) return "1 is one standard deviation.";
  const share = shares.reduce((a, b) => a + b, 0) / shares.length;
  return `1 is one standard deviation. It explains ${(100 * share).toFixed(0)} % of what varies in h.`;
}

function describe({ name, count, info: { kind, pictures } }: DirectionsFile): string {
  const what = kind === "difference" ? "a difference of means" : `${count} principal components`;
  const shown = count > MOST && kind === "pca" ? `, of which the first ${MOST} are here` : "";
  return `${name}: ${what} over ${pictures} pictures${shown}. They act where content does: down to the end of injection, and in the mask if there is one.`;
}
