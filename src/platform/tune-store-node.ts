import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { cacheFolder } from "../gpu/private-folder";
import type { TuneStore } from "../tune/store";
import { writeWhole } from "./files-node";

/** Keeps the winners of tuning in a folder; default: the cache folder of this engine, made when it is first used. */
export const fileStore = (folder?: string): TuneStore => {
  const path = async (name: string) => join(folder ?? cacheFolder(), name);
  return {
    read: (name) =>
      path(name)
        .then((file) => readFile(file, "utf8"))
        .catch(() => undefined),
    write: (name, text) =>
      path(name)
        .then((file) => writeWhole(file, text))
        .catch(() => {}),
  };
};
