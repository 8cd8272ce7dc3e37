import { byId } from "./dom";
import type { ModelSource } from "./engine";
import { chosenModel } from "./model-files";

/** The dialog in which another model is chosen: the shipped one, a real one to download, files, or an address. */
export class ModelDialog {
  readonly #dialog = byId("dialog", "model-dialog");
  /** Loads a model that was dropped on the page, with what is filled in. */
  readonly take: (from: ModelSource["from"]) => void;

  /** @param load told what to load */
  constructor(load: (source: ModelSource | undefined) => void) {
    const choose = (from: ModelSource["from"] | undefined) => {
      this.#dialog.close();
      load(from === undefined ? undefined : { from, hints: hints() });
    };
    this.take = choose;
    byId("button", "model-open").addEventListener("click", () => this.#dialog.showModal());
    byId("button", "model-close").addEventListener("click", () => this.#dialog.close());
    byId("button", "model-shipped").addEventListener("click", () => choose(undefined));
    byId("button", "model-anime").addEventListener("click", () => choose("anime64"));
    for (const input of [byId("input", "model-file"), byId("input", "model-folder")])
      input.addEventListener("change", () => {
        const chosen = chosenModel(input.files);
        input.value = "";
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

/** Reads the fields for what weights do not tell. */
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
