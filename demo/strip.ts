import type { Pixels } from "../src/browser";
import { byId, make } from "./dom";
import { show } from "./draw";

/** Shares of content in the strip. */
export const STRIP_GAMMAS = [0, 0.2, 0.4, 0.6, 0.8, 1] as const;

/** The same pair at several gammas, side by side. */
export class Strip {
  readonly #list = byId("div", "strip");
  #pictures: readonly Pixels[] = [];

  /** @param choose called with the gamma of a picture that was clicked */
  constructor(readonly choose: (gamma: number) => void) {
    const items = STRIP_GAMMAS.map((gamma) => {
      const canvas = make("canvas", { width: 1, height: 1 });
      const button = make(
        "button",
        { type: "button", aria: { label: `Set gamma to ${gamma}` } },
        canvas,
        make("span", { textContent: `γ ${gamma.toFixed(1)}` }),
      );
      button.addEventListener("click", () => this.choose(gamma));
      return button;
    });
    this.#list.replaceChildren(...items);
  }

  get pictures(): readonly Pixels[] {
    return this.#pictures;
  }

  show(pictures: readonly Pixels[]): void {
    this.#pictures = pictures;
    this.#list.querySelectorAll("canvas").forEach((canvas, i) => {
      if (pictures[i]) show(canvas, pictures[i]);
    });
  }
}
