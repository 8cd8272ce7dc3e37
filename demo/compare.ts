import type { Pixels } from "../src/browser";
import { byId } from "./dom";
import { clear, show } from "./draw";

/** The result, with the original behind it: a slider as large as the picture uncovers one or the other. */
export class Compare {
  readonly #after = byId("canvas", "after");
  readonly #before = byId("canvas", "before");
  readonly #split = byId("input", "split");
  readonly #frame = byId("div", "result-frame");

  constructor() {
    const place = () => {
      const share = Number(this.#split.value) / 100;
      this.#frame.style.setProperty("--split", String(share));
      this.#split.setAttribute(
        "aria-valuetext",
        `${this.#split.value} % original, ${100 - Number(this.#split.value)} % result`,
      );
    };
    this.#split.addEventListener("input", place);
    place();
  }

  /** Shows a result, or the prediction of one so far. */
  result(pixels: Pixels, name: string): void {
    this.#frame.classList.add("filled");
    show(this.#after, pixels);
    this.#after.setAttribute("aria-label", name);
  }

  original(pixels: Pixels): void {
    show(this.#before, pixels);
  }

  empty(): void {
    this.#frame.classList.remove("filled");
    clear(this.#after);
    clear(this.#before);
    this.#after.setAttribute("aria-label", "No result yet");
  }
}
