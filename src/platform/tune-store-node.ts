import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { cacheFolder } from "../gpu/private-folder";
import type { TuneStore } from "../tune/store";
import { writeWhole } from "./files-node";

/** Winners in the cache folder of this engine. */
export const fileStore = (folder = cacheFolder()): TuneStore => ({
  read: (name) => readFile(join(folder, name), "utf8").catch(() => undefined),
  write: (name, text) => writeWhole(join(folder, name), text).catch(() => {}),
});
