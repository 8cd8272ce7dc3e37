import { decodeImage, type Pixels } from "../src/browser";
import { PARAMETERS, readPngText } from "../src/platform/png-text";
import { Compare } from "./compare";
import { directionWords } from "./directions";
import { byId, make } from "./dom";
import { canvasOf } from "./draw";
import type { Asked, Made } from "./jobs";
import type { Picture } from "./pictures";

/** Results kept on the page; the oldest go first. */
const MOST = 16;

/** All that a result depends on, as one text: equal texts give equal pictures. */
export function signature(asked: Asked, model: string, ...pictures: readonly Picture[]): string {
  const { preset: _, seed, ...settings } = asked.settings;
  const noise = settings.tBoost > 0 && { seed };
  const mask = asked.mask?.map((v) => Math.round(v * 255)) ?? null; // as links write it: it comes back from one alike
  const directions = asked.directions && [asked.directions.file.sha256, asked.directions.scales];
  return JSON.stringify([model, { ...settings, ...noise }, mask, directions, pictures.map(({ key }) => key)]);
}

export const signatureOf = ({ asked, parameters, content, original }: Made): string =>
  signature(asked, String(parameters.hash), original, ...(content ? [content] : []));

/** The result beside its original, the results before it, and words on what it was made with. */
export class Results {
  readonly #compare = new Compare();
  readonly #figure = byId("figure", "result");
  readonly #note = byId("p", "result-note");
  readonly #history = byId("div", "history");
  readonly #all: Made[] = [];
  #current: Made | undefined;
  #example: { readonly pixels: Pixels; readonly before: Pixels; readonly words: string } | undefined;

  /** @param choose called with an older result that was chosen */
  constructor(readonly choose: (made: Made) => void) {
    this.#history.setAttribute("role", "group");
    this.#history.setAttribute("aria-label", "Results so far");
  }

  /** The result that is shown, or was before the run under way. */
  get current(): Made | undefined {
    return this.#current;
  }

  /** Shows a result that comes with the page, until there is one of the user's.
   *  @param bytes the PNG file, whose text says what it was made of
   *  @param before the original's square */
  async example(bytes: Uint8Array<ArrayBuffer>, before: Pixels): Promise<void> {
    const made = JSON.parse(readPngText(bytes)[PARAMETERS] ?? "{}") as Record<string, unknown>;
    const pixels = await decodeImage(new Blob([bytes]), "example.png");
    if (this.#current) return;
    const words = `An example: this original with this content, γ ${made.gamma}. Press Inject to make your own.`;
    this.#example = { pixels, before, words };
    this.back();
  }

  /** Hides the example: other pictures were chosen. */
  dropExample(): void {
    if (!this.#example) return;
    this.#example = undefined;
    this.back();
  }

  original(pixels: Pixels): void {
    this.#compare.original(pixels);
  }

  /** Shows the prediction of a run under way. */
  preview(pixels: Pixels): void {
    this.#compare.result(pixels, "Prediction of the result so far");
    this.stale = undefined;
    this.#note.textContent = "A prediction; the run is under way.";
  }

  /** Keeps a new result and shows it. */
  add(made: Made): void {
    this.#example = undefined;
    this.#all.push(made);
    if (this.#all.length > MOST) this.#all.shift();
    this.show(made);
  }

  show(made: Made): void {
    this.#current = made;
    this.#compare.original(made.before);
    this.#compare.result(made.pixels, `Result: ${subject(made)}`);
    this.#note.textContent = describe(made);
    this.#list();
  }

  /** Shows what there was before a run that gave nothing. */
  back(): void {
    if (this.#current) this.show(this.#current);
    else if (this.#example) {
      this.#compare.original(this.#example.before);
      this.#compare.result(this.#example.pixels, "Example of a result");
      this.#note.textContent = this.#example.words;
    } else {
      this.#compare.empty();
      this.#note.textContent = "";
    }
  }

  /** Marks the result as made with other settings or pictures than those on the page, in these words. */
  set stale(words: string | undefined) {
    this.#figure.classList.toggle("stale", words !== undefined);
    if (words !== undefined) this.#note.textContent = words;
    else if (this.#current) this.#note.textContent = describe(this.#current);
  }

  #list(): void {
    this.#history.hidden = this.#all.length < 2;
    const buttons = this.#all.toReversed().map((made) => {
      const pressed = String(made === this.#current);
      const label = `Result: ${describe(made)}`;
      const canvas = canvasOf(made.pixels);
      const button = make(
        "button",
        { type: "button", className: "thumb", title: label, aria: { label, pressed } },
        canvas,
      );
      button.addEventListener("click", () => this.choose(made));
      return button;
    });
    const focused = [...this.#history.children].indexOf(document.activeElement as Element);
    this.#history.replaceChildren(...buttons);
    if (focused >= 0) buttons[focused]?.focus();
  }
}

function describe(made: Made): string {
  const { directions, mask, settings } = made.asked;
  const { gamma, stepsInversion, steps, solver } = settings;
  const parts = [
    ...(made.content ? [`γ ${gamma}`] : []),
    ...(directions ? [directionWords(directions)] : []),
    ...(mask ? ["in the mask"] : []),
    `${stepsInversion} + ${steps} steps${solver === "ddim" ? "" : ` of ${solver}`}`,
  ];
  return `${subject(made)}: ${parts.join(", ")}`;
}

/** Description of a result, without the numbers. */
const subject = ({ original, content }: Made): string =>
  content ? `${original.name} with the content of ${content.name}` : `${original.name} along directions`;
