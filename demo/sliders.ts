import { presets } from "../src/browser";
import { SOLVERS } from "../src/model/schedule";
import { byId, make } from "./dom";
import { isPreset, presetSettings, type Settings, STEPS } from "./settings";

type Key = "gamma" | "omega" | "tEdit" | "tBoost" | "stepsInversion" | "steps";

interface Row {
  readonly key: Key;
  readonly label: string;
  readonly hint: string;
  readonly max: number;
  readonly step: number;
  /** values the slider stops at, where it does not move along numbers */
  readonly stops?: readonly number[];
}

const rows: readonly Row[] = [
  {
    key: "gamma",
    label: "Strength γ",
    hint: "How much of the content’s shape goes in. Above 0.6 artefacts begin.",
    max: 1,
    step: 0.01,
  },
  {
    key: "omega",
    label: "Hold ω",
    hint: "Latent calibration: 1 holds on to the original, 0 lets the content act most.",
    max: 1.05,
    step: 0.05,
  },
  {
    key: "tEdit",
    label: "Injection ends at t",
    hint: "The content acts from t = 1000 down to here. Lower reaches into finer shapes.",
    max: 1000,
    step: 10,
  },
  {
    key: "tBoost",
    label: "Fresh noise from t",
    hint: "From here down to 0, fresh noise sharpens detail; 0 adds none.",
    max: 600,
    step: 10,
  },
  {
    key: "stepsInversion",
    label: "Inversion steps",
    hint: "More steps follow the pictures more closely, and take longer.",
    max: STEPS.length - 1,
    step: 1,
    stops: STEPS,
  },
  {
    key: "steps",
    label: "Generation steps",
    hint: "Steps from noise back to a picture.",
    max: STEPS.length - 1,
    step: 1,
    stops: STEPS,
  },
];

/** The form of settings: sliders with names, hints and their values beside them. */
export class Sliders {
  readonly #inputs = new Map<Key, { input: HTMLInputElement; output: HTMLOutputElement; row: Row }>();
  readonly #preset = byId("select", "preset");
  readonly #solver = byId("select", "solver");
  readonly #seed = byId("input", "seed");
  #settings: Settings;
  /** called after every change of a setting */
  onChange: () => void = () => {};

  constructor(settings: Settings) {
    this.#settings = settings;
    const form = byId("div", "sliders");
    for (const row of rows) form.append(this.#row(row));
    for (const name of Object.keys(presets)) this.#preset.append(make("option", { value: name, textContent: name }));
    this.#preset.addEventListener("change", () => {
      const { value } = this.#preset;
      if (isPreset(value)) this.set(presetSettings(value, this.#settings.seed));
      this.onChange();
    });
    for (const name of SOLVERS) this.#solver.append(make("option", { value: name, textContent: name }));
    this.#solver.addEventListener("change", () => {
      this.#update({ solver: SOLVERS.find((name) => name === this.#solver.value)! });
    });
    this.#seed.addEventListener("change", () => {
      const seed = Math.min(2 ** 32 - 1, Math.max(0, Math.floor(Number(this.#seed.value) || 0)));
      this.#update({ seed });
    });
    byId("button", "seed-new").addEventListener("click", () => this.#update({ seed: Math.floor(Math.random() * 1e6) }));
    this.set(settings);
  }

  get settings(): Settings {
    return this.#settings;
  }

  /** Shows these settings. */
  set(settings: Settings): void {
    this.#settings = settings;
    this.#preset.value = settings.preset;
    this.#solver.value = settings.solver;
    this.#seed.value = String(settings.seed);
    for (const { input, output, row } of this.#inputs.values()) {
      const value = settings[row.key];
      input.value = String(position(row, value));
      output.textContent = shown(row, value);
      input.setAttribute("aria-valuetext", shown(row, value));
      input.style.setProperty("--fill", String(Number(input.value) / row.max));
    }
  }

  #update(change: Partial<Settings>): void {
    const next = { ...this.#settings, ...change };
    // Boosting above t edit would drown the injection: whichever is moved pushes the other.
    if (next.tBoost > next.tEdit)
      this.set("tEdit" in change ? { ...next, tBoost: next.tEdit } : { ...next, tEdit: next.tBoost });
    else this.set(next);
    this.onChange();
  }

  #row(row: Row): HTMLElement {
    const id = `slider-${row.key}`;
    const input = make("input", {
      type: "range",
      id,
      min: "0",
      max: String(row.max),
      step: String(row.step),
      aria: { describedby: `${id}-hint` },
    });
    const output = make("output");
    output.htmlFor.add(id);
    input.addEventListener("input", () => this.#update({ [row.key]: valueAt(row, Number(input.value)) }));
    this.#inputs.set(row.key, { input, output, row });
    return make(
      "div",
      { className: `slider ${row.key}` },
      make("label", { htmlFor: id, textContent: row.label }),
      output,
      input,
      make("small", { id: `${id}-hint`, textContent: row.hint }),
    );
  }
}

/** The last stop of omega's slider is "off". */
function valueAt(row: Row, at: number): number | "off" {
  if (row.stops) return row.stops[at]!;
  if (row.key === "omega" && at > 1.01) return "off";
  return Math.round(at * 100) / 100;
}

function position(row: Row, value: number | "off"): number {
  if (value === "off") return row.max;
  if (!row.stops) return value;
  const distances = row.stops.map((stop) => Math.abs(stop - value));
  return distances.indexOf(Math.min(...distances));
}

const shown = (row: Row, value: number | "off"): string =>
  value === "off" ? "off" : row.step < 1 ? value.toFixed(2) : String(value);
