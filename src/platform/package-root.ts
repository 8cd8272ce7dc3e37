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

/** Range of Node versions in package.json. */
export const neededNode = (): string => manifestOf(join(packageRoot(), "package.json")).engines?.node ?? ">=0.0.0";

interface Manifest {
  readonly name?: string;
  readonly version?: string;
  readonly engines?: { readonly node?: string };
}

function manifestOf(file: string): Manifest {
  return JSON.parse(readFileSync(file, "utf8")) as Manifest;
}
