import { UserError } from "../../errors";
import { type ChooseOptions, chooseWeights } from "./choose";
import { type ByteSource, blobSource, checkSibling, type Files } from "./source";

/** Paths of files, without the folders that all of them are in. */
function byPath(files: Files): Map<string, Blob> {
  const named: (readonly [string, Blob])[] =
    files instanceof Map
      ? [...files]
      : (files as readonly File[]).map((file) => [file.webkitRelativePath || file.name, file]);
  const parts = named.map(([path, file]) => ({ path: path.split("/").filter(Boolean), file }));
  const shared = (depth: number) =>
    parts.every(({ path }) => path.length > depth + 1 && path[depth] === parts[0]!.path[depth]);
  let depth = 0;
  while (parts.length > 0 && shared(depth)) depth++;
  return new Map(parts.map(({ path, file }) => [path.slice(depth).join("/"), file]));
}

/** Opens the weights among several files, such as those of a folder that was dropped on a page; the others are found beside
 *  them. @throws UserError when there are none, or several and it is not plain which */
export function folderSource(files: Files, options: ChooseOptions = {}): ByteSource {
  const all = byPath(files);
  if (all.size === 0) throw new UserError("an empty folder: expected the files of a model");
  const names = [...all.keys()];
  const chosen = names.length === 1 ? names[0]! : chooseWeights(names, "the files", options);
  const folder = chosen.includes("/") ? chosen.slice(0, chosen.lastIndexOf("/") + 1) : "";
  const open = (path: string, name: string): ByteSource | undefined => {
    const blob = all.get(path);
    return blob && { ...blobSource(blob, name), sibling };
  };
  const sibling: NonNullable<ByteSource["sibling"]> = async (relative) => {
    checkSibling(relative);
    const up = relative.startsWith("../");
    if (up && folder === "") return undefined;
    const path = up ? folder.replace(/[^/]*\/$/, "") + relative.slice(3) : folder + relative;
    return open(path, relative.slice(relative.lastIndexOf("/") + 1));
  };
  return open(chosen, chosen.slice(folder.length))!;
}
