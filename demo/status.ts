import { byId } from "./dom";
import { isCancel, type Message, messageFor } from "./messages";

/** Action that a notice offers. */
export interface Remedy {
  readonly label?: string;
  run(): void;
}

/** Status of the page: a line under the pictures, a bar of progress, and a notice when something needs the user. */
export class Status {
  readonly #line = byId("p", "status");
  readonly #spoken = byId("output", "spoken");
  readonly #bar = byId("progress", "progress");
  readonly #notice = byId("section", "notice");
  readonly #text = byId("p", "notice-text");
  readonly #action = byId("button", "notice-action");
  #act: () => void = () => {};

  constructor() {
    this.#action.addEventListener("click", () => {
      this.clear();
      this.#act();
    });
    byId("button", "notice-close").addEventListener("click", () => this.clear());
  }

  /** Says something, to screen readers too. */
  say(text: string): void {
    this.#line.textContent = text;
    this.#spoken.textContent = text;
  }

  /** Shows how far a run is. It is not spoken, for it changes many times a second. */
  progress(share: number | undefined, text?: string): void {
    this.#bar.hidden = share === undefined;
    this.#bar.value = share ?? 0;
    if (text !== undefined) this.#line.textContent = text;
  }

  /** Shows what is wrong and what can be done. Cancelling is no mistake: it is only said.
   *  @param remedy what the notice's button does; without one there is no button */
  fail(error: unknown, remedy?: Remedy): void {
    if (isCancel(error)) {
      this.say("Cancelled. What was inverted is kept.");
      return;
    }
    const message: Message = messageFor(error);
    if (!(error instanceof Error) || message.text.startsWith("Something went wrong")) console.error(error);
    this.#text.textContent = message.text;
    this.#act = () => remedy?.run();
    this.#action.hidden = !remedy || message.remedy === "none";
    this.#action.textContent = remedy?.label ?? (message.remedy === "resume" ? "Resume" : "Try again");
    this.#notice.hidden = false;
    this.#line.textContent = "";
    this.progress(undefined);
    this.#notice.scrollIntoView({ block: "nearest" });
  }

  clear(): void {
    this.#notice.hidden = true;
  }
}
