import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { UserError } from "../../src/errors";
import { openContainer } from "../../src/model/checkpoint/checkpoint";
import type { ConfigHints } from "../../src/model/checkpoint/described";
import { type ModelCheckpoint, openModelCheckpoint } from "../../src/model/checkpoint/model";
import { openSource } from "../../src/model/checkpoint/source-node";
import { hintsOf } from "./files";

/** One file of a set of containers. */
export interface ContainerResult {
  readonly case: string;
  readonly ok: boolean;
  /** The error measured, or the message a bad file got, or what went wrong. */
  readonly detail: string;
  /** Largest difference from the expected eps, in itself and relative to its largest magnitude; 0 for a file refused as
   *  it must be, infinite where nothing could be compared. */
  readonly worstAbs: number;
  readonly worstRel: number;
}

const NO_ERROR = { worstAbs: 0, worstRel: 0 };
const NOT_COMPARED = { worstAbs: Number.POSITIVE_INFINITY, worstRel: Number.POSITIVE_INFINITY };

/** Predicted noise of the network in a checkpoint for x [1, 3, side, side] at time step t. */
export type Forward = (checkpoint: ModelCheckpoint, x: Float32Array, t: number) => Promise<Float32Array>;

interface Manifest {
  readonly config: Readonly<Record<string, unknown>>;
  readonly files: readonly { readonly file: string; readonly error?: boolean; readonly expected?: string }[];
}

/** f32 forwards agree with the official code to this, relative to the largest value expected. */
export const TOLERANCE = 1e-4;

/** Opens every file of a folder's containers.json: good ones must give the expected eps, bad ones a UserError of one
 *  line. The folder's expected.safetensors holds `x`, `t`, `eps` and, for rounded weights, what `expected` names. */
export async function* runContainers(
  folder: string,
  forward: Forward,
): AsyncGenerator<ContainerResult, void, undefined> {
  const manifest = JSON.parse(await readFile(join(folder, "containers.json"), "utf8")) as Manifest;
  const expected = await openContainer(await openSource(join(folder, "expected.safetensors")));
  try {
    const x = await expected.read("x");
    const t = expected.tensors.has("t") ? (await expected.read("t"))[0]! : 437;
    const hints = hintsOf(manifest.config);
    for (const { file, error = false, expected: key = "eps" } of manifest.files) {
      const path = join(folder, file);
      if (error) yield { case: file, ...(await refused(path, hints)) };
      else yield { case: file, ...(await computed(path, hints, forward, x, t, await expected.read(key))) };
    }
  } finally {
    expected.close();
  }
}

type Outcome = Omit<ContainerResult, "case">;

async function refused(path: string, hints: ConfigHints): Promise<Outcome> {
  try {
    const model = await openModelCheckpoint(await openSource(path), hints);
    for (const name of model.tensors.keys()) await model.read(name);
    model.close();
    return { ok: false, detail: "opened, but must be refused", ...NOT_COMPARED };
  } catch (error) {
    const clear = error instanceof UserError && !error.message.includes("\n");
    return { ok: clear, detail: String(error), ...(clear ? NO_ERROR : NOT_COMPARED) };
  }
}

async function computed(
  path: string,
  hints: ConfigHints,
  forward: Forward,
  x: Float32Array,
  t: number,
  expected: Float32Array,
): Promise<Outcome> {
  try {
    const model = await openModelCheckpoint(await openSource(path), hints);
    try {
      const errors = errorsOf(await forward(model, x, t), expected);
      const detail = `relative error ${errors.worstRel.toExponential(2)} (at most ${TOLERANCE})`;
      return { ok: errors.worstRel <= TOLERANCE, detail, ...errors };
    } finally {
      model.close();
    }
  } catch (error) {
    return { ok: false, detail: String(error), ...NOT_COMPARED };
  }
}

/** Largest difference, in itself and relative to the largest magnitude expected; infinite for NaN or another length. */
function errorsOf(found: Float32Array, expected: Float32Array): Pick<ContainerResult, "worstAbs" | "worstRel"> {
  if (found.length !== expected.length) return NOT_COMPARED;
  let worst = 0;
  let scale = 0;
  for (let i = 0; i < expected.length; i++) {
    const difference = Math.abs(found[i]! - expected[i]!);
    if (!(difference <= Number.MAX_VALUE)) return NOT_COMPARED;
    worst = Math.max(worst, difference);
    scale = Math.max(scale, Math.abs(expected[i]!));
  }
  return { worstAbs: worst, worstRel: worst / scale };
}
