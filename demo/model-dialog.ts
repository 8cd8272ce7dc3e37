import { byId } from "./dom";
import type { ModelSource } from "./engine";

/** The dialog in which another model is chosen: the shipped one, a file, or an address. */
export class ModelDialog {
  readonly #dialog = byId("dialog", "model-dialog");

  /** @param load told what to load */
  constructor(load: (source: ModelSource | undefined) => void) {
    const choose = (source: ModelSource | undefined) => {
      this.#dialog.close();
      load(source);
    };
    byId("button", "model-open").addEventListener("click", () => this.#dialog.showModal());
    byId("button", "model-close").addEventListener("click", () => this.#dialog.close());
    byId("button", "model-shipped").addEventListener("click", () => choose(undefined));
    const file = byId("input", "model-file");
    file.addEventListener("change", () => {
      const chosen = file.files?.[0];
      file.value = "";
      if (chosen) choose(chosen);
    });
    const form = byId("form", "model-form");
    form.addEventListener("submit", (event) => {
      event.preventDefault();
      const text = byId("input", "model-url").value.trim();
      if (text) choose(text);
    });
  }
}
