import { droppedModel } from "./model-files";
import { pictureFile } from "./pictures";
import type { Slot } from "./slot";

/** Takes pictures that are pasted, and pictures and models dropped beside the slots: a browser would leave the page for
 *  them. @param open told the files of a dropped model */
export function acceptPictures(
  slots: { readonly content: Slot; readonly original: Slot },
  say: (text: string) => void,
  open: (files: ReadonlyMap<string, File>) => void,
): void {
  const take = (from: DataTransfer | null) => {
    const file = pictureFile(from);
    const original = document.getElementById("original")?.contains(document.activeElement);
    if (file) void slots[original ? "original" : "content"].take(file);
    return file !== undefined;
  };
  document.addEventListener("paste", (event) => {
    const { target } = event;
    if (target instanceof HTMLInputElement && target.type === "text") return;
    if (!take(event.clipboardData)) say("There is no picture in the clipboard.");
  });
  const files = (event: DragEvent) => event.dataTransfer?.types.includes("Files") ?? false;
  document.addEventListener("dragover", (event) => {
    if (files(event)) event.preventDefault();
  });
  document.addEventListener("drop", (event) => {
    if (event.defaultPrevented || !files(event)) return;
    event.preventDefault();
    const model = droppedModel(event.dataTransfer);
    if (!model) take(event.dataTransfer);
    else model.then(open, (error: Error) => say(`What was dropped cannot be read: ${error.message}`));
  });
}
