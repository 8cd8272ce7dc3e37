import { type FileHandle, open, readFile } from "node:fs/promises";
import { join } from "node:path";
import { UserError } from "../errors";
import { type Block, pairsIn } from "../experiments/blocks";
import { scheduleGamma } from "../experiments/gamma-schedule";
import { type Pair, runGrid } from "../experiments/grid";
import { Keeper } from "../experiments/keeper";
import type { Device } from "../gpu/device";
import { inversionOf } from "../inject/inversion-options";
import type { Model } from "../inject/model";
import { decodeImage, writePng } from "../platform/images-node";
import { PARAMETERS, readPngText, readPngTextAhead } from "../platform/png-text";
import { naming } from "./failure";
import { makeFolder } from "./folders";
import { type GridFiles, parametersOf, type Recipe } from "./grid-plan";
import { GridRecord, pairsOf } from "./grid-record";
import { inversionShelf, keyOf } from "./inversion-shelf";

/** How inversions are kept. */
export interface KeepOptions {
  readonly batch: number;
  /** bytes; default: by the adapter */
  readonly keep?: number;
  /** folder of saved inversions */
  readonly inversions?: string;
}

/** Largest default of `--keep`: the network and its intermediate tensors need memory as well. */
const MOST_KEPT = 8 * 2 ** 30;

/** Bytes of inversions that this device is trusted to hold. WebGPU does not tell how much memory there is; a device with
 *  little does not offer large buffers. */
const defaultKeep = (device: Device): number => Math.min(device.gpu.limits.maxBufferSize, MOST_KEPT);

/** A keeper for grids of this recipe. @throws UserError when the folder of saved inversions cannot be written */
export async function openKeeper(model: Model, recipe: Recipe, options: KeepOptions): Promise<Keeper> {
  const { batch, keep = defaultKeep(model.device), inversions } = options;
  if (inversions !== undefined) await naming("--inversions", () => makeFolder(inversions));
  return new Keeper(model, {
    invert: { ...inversionOf(parametersOf(recipe)), ...(recipe.tap && { tap: recipe.tap }) },
    batch,
    budget: keep,
    shelf: inversions === undefined ? undefined : inversionShelf(inversions),
  });
}

export interface PartOptions {
  readonly within: Block;
  readonly batch: number;
  /** make again what was made with other pictures or parameters */
  readonly replace: boolean;
  readonly signal: AbortSignal;
  readonly onShare?: (share: number) => void;
  /** Told of each failure once. */
  readonly onFailed?: (message: string) => void;
  /** Called now and then with what is known so far. */
  readonly onRecord?: (record: GridRecord) => Promise<void>;
}

/** Makes every pair of a rectangle that is not there yet.
 *  @throws UserError for a file that was made otherwise, unless it may be replaced */
export async function makePairs(keeper: Keeper, files: GridFiles, options: PartOptions): Promise<GridRecord> {
  const { within, batch, replace, signal, onShare, onFailed } = options;
  const { plan, model } = files;
  const { recipe } = plan;
  const record = new GridRecord(within);
  const invert = keeper.options.invert;
  const wanted = (side: "contents" | "originals") => (i: number) => {
    const { digest } = plan[side].pictures[i]!;
    return { key: keyOf(digest, model.hash, recipe, invert), read: () => files.read(side, i) };
  };
  const said = new Set<Error>();
  const now = nowAndThen(async () => options.onRecord?.(record));
  try {
    await runGrid(
      keeper,
      {
        within,
        content: wanted("contents"),
        original: wanted("originals"),
        missing: (block) => missingPairs(block, files, record, replace),
      },
      {
        parameters: parametersOf(recipe),
        batch,
        ...(recipe.tap && { tap: recipe.tap }),
        mutate: scheduleGamma(recipe.gammaSchedule),
        signal,
        ...(onShare && { onShare }),
        onPair: async (pair, outcome, seconds) => {
          if ("error" in outcome) {
            const { error } = outcome;
            record.set(pair, "failed", { error: error.message });
            if (!said.has(error)) onFailed?.(`${files.name(pair)}: ${error.message}`);
            said.add(error);
            return;
          }
          await writePng(files.path(pair), outcome.value, files.text(pair));
          record.set(pair, "done", { seconds });
          await now();
        },
      },
    );
  } finally {
    await options.onRecord?.(record);
  }
  return record;
}

/** The pairs of a block that still have to be made. Notes those that are there, and those that cannot be made. */
async function missingPairs(block: Block, files: GridFiles, record: GridRecord, replace: boolean): Promise<Pair[]> {
  const missing: Pair[] = [];
  for (const pair of pairsOf(block)) {
    const error = files.errorOf(pair);
    if (error !== undefined) record.set(pair, "failed", { error });
    else if (await isFinished(files, pair, replace)) record.set(pair, "kept");
    else missing.push(pair);
  }
  return missing;
}

/** Whether an earlier run finished a pair: same file, same recipe, and a picture that decodes.
 *  @throws UserError for a file that was made in another way, unless it may be replaced */
async function isFinished(files: GridFiles, pair: Pair, replace: boolean): Promise<boolean> {
  const bytes = await readFile(files.path(pair)).catch(() => undefined);
  if (!bytes) return false;
  if (textOf(() => readPngTextAhead(bytes)) !== files.text(pair)[PARAMETERS]) {
    if (replace) return false;
    throw foreign(files.path(pair));
  }
  return decodeImage(bytes, files.path(pair)).then(
    () => true,
    () => false, // ours, and damaged since: made again
  );
}

/** Whether every pair of a rectangle that can be made is there, whole. */
export async function isWhole(files: GridFiles, within: Block): Promise<boolean> {
  for (const pair of pairsOf(within))
    if (files.errorOf(pair) === undefined && !(await isFinished(files, pair, true))) return false;
  return true;
}

/** Bytes from the start of a result in which its text is looked for. */
const HEAD = 2 ** 16;

/** Looks at every result that is there already, before anything is opened, by the first bytes of its file.
 *  @returns the number of results that are there
 *  @throws UserError for a file that was made in another way, unless it may be replaced */
export async function countFinished(files: GridFiles, within: Block, replace: boolean): Promise<number> {
  const buffer = Buffer.alloc(HEAD);
  let found = 0;
  for (const pair of pairsOf(within)) {
    if (files.errorOf(pair) !== undefined) continue;
    const made = await head(files.path(pair), buffer);
    if (!made) continue;
    const isOurs = textOf(() => readPngTextAhead(made)) === files.text(pair)[PARAMETERS];
    if (!isOurs && !replace) throw foreign(files.path(pair));
    found += Number(isOurs);
  }
  return found;
}

/** The first bytes of a file; undefined where there is none. */
async function head(file: string, buffer: Buffer): Promise<Uint8Array | undefined> {
  let handle: FileHandle | undefined;
  try {
    handle = await open(file);
    const { bytesRead } = await handle.read(buffer, 0, buffer.length, 0);
    return buffer.subarray(0, bytesRead);
  } catch {
    return undefined;
  } finally {
    await handle?.close();
  }
}

function textOf(read: () => Readonly<Record<string, string>>): string | undefined {
  try {
    return read()[PARAMETERS];
  } catch {
    return undefined; // no PNG file of ours
  }
}

const foreign = (file: string) =>
  new UserError(`${file}: exists, made with other pictures or parameters; give another --out, or add --replace`);

/** The files that every run writes anew may replace those of an earlier grid, and nothing else.
 *  @throws UserError for a sheet.png or manifest.json that no grid wrote, unless it may be replaced */
export async function checkSummaries(out: string, manifest: string, replace: boolean): Promise<void> {
  if (replace) return;
  const tests: readonly [string, (bytes: Buffer) => boolean | undefined][] = [
    ["sheet.png", (bytes) => readPngText(bytes).Software?.startsWith("injectfusion")],
    [manifest, (bytes) => Array.isArray((JSON.parse(bytes.toString()) as { pairs?: unknown }).pairs)],
  ];
  for (const [name, isOurs] of tests) {
    const file = join(out, name);
    const bytes = await readFile(file).catch(() => undefined);
    let known = bytes === undefined;
    try {
      known ||= bytes !== undefined && isOurs(bytes) === true;
    } catch {
      // not a file of this kind at all
    }
    if (!known) throw new UserError(`${file}: exists, and no grid wrote it; give another --out, or add --replace`);
  }
}

/** Calls `work` when the last call lies far enough back that all calls together take a small part of the time. */
function nowAndThen(work: () => Promise<void>): () => Promise<void> {
  let next = performance.now() + 1000;
  return async () => {
    const began = performance.now();
    if (began < next) return;
    await work();
    const ended = performance.now();
    next = ended + Math.max(1000, 50 * (ended - began));
  };
}

/** Whether a plan has so many pairs that a list of them is no longer printed. */
export const isLarge = (within: Block): boolean => pairsIn(within) > 10_000;
