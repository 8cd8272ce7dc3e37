import {
  accessSync,
  chmodSync,
  constants,
  existsSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  realpathSync,
  rmSync,
  statSync,
} from "node:fs";
import { homedir, tmpdir } from "node:os";
import { dirname, join } from "node:path";

const OTHERS_WRITE = 0o022;
const STICKY = 0o1000;

/** The user of this process; undefined on Windows, where folders below the home are private already. */
const user = (): number | undefined => process.getuid?.();

/** Can only this user, or root, change what the folder holds or what its path leads to? Parents may be writable by others
 *  if they are sticky, as /tmp is: only the owner can rename what lies in them. */
export function isPrivate(folder: string): boolean {
  const me = user();
  if (me === undefined) return true;
  const own = lstatSync(folder);
  if (!own.isDirectory() || own.uid !== me || own.mode & OTHERS_WRITE) return false;
  for (let at = dirname(realpathSync(folder)); ; at = dirname(at)) {
    const { uid, mode } = statSync(at);
    if ((uid !== me && uid !== 0) || (mode & OTHERS_WRITE && !(mode & STICKY))) return false;
    if (at === dirname(at)) return true;
  }
}

/** Makes a folder and the missing ones above it. `mkdir` with `recursive` never returns from places such as /proc. */
function makeFolder(folder: string): void {
  if (existsSync(folder)) return;
  makeFolder(dirname(folder));
  try {
    mkdirSync(folder, { mode: 0o700 });
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "EEXIST") throw error; // another process was first
  }
}

/** Makes `base/injectfusion`, for this user alone. @returns undefined where that is not possible */
function ownFolder(base: string): string | undefined {
  const folder = join(base, "injectfusion");
  try {
    makeFolder(folder);
    if (!isPrivate(folder)) return undefined;
    accessSync(folder, constants.W_OK | constants.X_OK);
    if (user() !== undefined) chmodSync(folder, 0o700);
    return folder;
  } catch {
    return undefined;
  }
}

let temporary: string | undefined;

/** A folder of this process, with a random name, removed when the process (or worker) ends. */
export function temporaryFolder(): string {
  if (temporary) return temporary;
  const folder = mkdtempSync(join(tmpdir(), "injectfusion-"));
  process.on("exit", () => rmSync(folder, { recursive: true, force: true }));
  temporary = folder;
  return folder;
}

/** Is this path below the temporary folder of this process? */
export const isTemporary = (path: string): boolean => temporary !== undefined && path.startsWith(temporary);

/** The cache folder of this engine: `$XDG_CACHE_HOME/injectfusion` or `~/.cache/injectfusion`, if only this user can write
 *  there; else a temporary folder of this process. Never a predictable name in a folder that is shared with others. */
export function cacheFolder(): string {
  for (const base of [process.env.XDG_CACHE_HOME, join(homedir(), ".cache")]) {
    const folder = base ? ownFolder(base) : undefined;
    if (folder) return folder;
  }
  return temporaryFolder();
}
