import { existsSync, readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

let found: string | undefined;

/** The folder of this package, whether the code runs from `src/`, from `dist/` or from a bundle in a cache folder below:
 *  shipped weights and example pictures lie in it. */
export function packageRoot(): string {
  if (found) return found;
  for (let folder = dirname(fileURLToPath(import.meta.url)); ; folder = dirname(folder)) {
    const manifest = join(folder, "package.json");
    if (existsSync(manifest) && manifestOf(manifest).name === "injectfusion") return (found = folder);
    if (folder === dirname(folder)) throw new Error("the package folder of injectfusion was not found above its code");
  }
}

/** Version in package.json. */
export const packageVersion = (): string => manifestOf(join(packageRoot(), "package.json")).version ?? "0.0.0";

function manifestOf(file: string): { name?: string; version?: string } {
  return JSON.parse(readFileSync(file, "utf8")) as { name?: string; version?: string };
}
