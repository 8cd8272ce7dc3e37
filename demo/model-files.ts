/** Names of files that are a model's and no picture. */
const ofModel = /\.(?:safetensors|pt|pth|ckpt|bin|json)$/i;

/** A model among what was dropped: a folder, several files, or one file of weights. Its files by path, or undefined where
 *  there is none. What a drop holds must be asked for at once, so this looks at it before it waits. */
export function droppedModel(from: DataTransfer | null): Promise<ReadonlyMap<string, File>> | undefined {
  const items = [...(from?.items ?? [])].filter(({ kind }) => kind === "file");
  const entries = items.map((item) => item.webkitGetAsEntry());
  const files = items.map((item) => item.getAsFile());
  const isModel = entries.some((entry) => entry?.isDirectory) || files.some((file) => file && ofModel.test(file.name));
  if (!isModel) return undefined;
  return (async () => {
    const found = new Map<string, File>();
    for (const [i, entry] of entries.entries()) {
      const file = files[i];
      if (entry?.isDirectory) await collect(entry as FileSystemDirectoryEntry, "", found);
      else if (file) found.set(file.name, file);
    }
    return found;
  })();
}

/** More files than any model's folder has. */
const MOST_FILES = 2000;

/** Files of a folder and of the folders in it, by path. */
async function collect(folder: FileSystemDirectoryEntry, path: string, found: Map<string, File>): Promise<void> {
  const reader = folder.createReader();
  for (;;) {
    const entries = await new Promise<FileSystemEntry[]>((done, failed) => reader.readEntries(done, failed));
    if (entries.length === 0 || found.size > MOST_FILES) return;
    for (const entry of entries) {
      const at = `${path}${entry.name}`;
      if (entry.isDirectory) await collect(entry as FileSystemDirectoryEntry, `${at}/`, found);
      else found.set(at, await new Promise<File>((done, failed) => (entry as FileSystemFileEntry).file(done, failed)));
    }
  }
}

/** Files that were chosen, as the engine takes them: one alone, or a folder. */
export function chosenModel(files: FileList | null): File | ReadonlyMap<string, File> | undefined {
  const all = [...(files ?? [])];
  if (all.length < 2) return all[0];
  return new Map(all.map((file) => [file.webkitRelativePath || file.name, file]));
}
