import { byId } from "./dom";
import type { ModelSource } from "./engine";

/** The dialog in which another model is chosen: the shipped one, a file, or an address. */
export class ModelDialog {
  readonly #dialog = byId("dialog", "model-dialog");

  /** @param load told what to load */
  constructor(load: (source: ModelSource | undefined) => void) {
    const choose = (from: ModelSource["from"] | undefined) => {
      this.#dialog.close();
      load(from === undefined ? undefined : { from, hints: hints() });
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

/** What was filled in of what weights do not tell. */
function hints(): NonNullable<ModelSource["hints"]> {
  const resolution = Number(byId("input", "model-side").value);
  const headChannels = Number(byId("input", "model-heads").value);
  const order = byId("select", "model-order").value;
  return {
    ...(resolution > 0 && { resolution }),
    ...(headChannels > 0 && { headChannels }),
    ...((order === "legacy" || order === "new") && { qkvOrder: order as "legacy" | "new" }),
  };
}
