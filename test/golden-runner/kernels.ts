import type { Device } from "../../src/gpu/device";
import { runOn } from "../support/run";
import { embeddingChecks, preprocessChecks, slerpChecks } from "./families";
import { opChecks } from "./ops";
import type { Check, Made, Manifest, Values } from "./roles";

export type { Manifest, Values } from "./roles";

export interface CaseResult {
  readonly id: string;
  readonly ok: boolean;
  readonly worstAbs: number;
  /** worst |difference| / max(|expected|, rms of expected) */
  readonly worstRel: number;
  readonly tolerance: number;
  /** why it could not be run, or did not pass */
  readonly reason?: string;
}

export interface KernelCaseOptions {
  readonly device: Device;
  /** the tensors of another file of the directory, for cases that borrow a model's weights */
  readonly load?: (file: string) => Promise<ReadonlyMap<string, Values>>;
}

const TOLERANCE = 1e-4;

/** Runs every check of a `kernel_*`, `slerp`, `timestep_embedding` or `preprocess` manifest on the GPU.
 *  What cannot be run is a failed result with its reason, never left out. */
export async function* runKernelCase(
  manifest: Manifest,
  tensors: ReadonlyMap<string, Values>,
  { device, load }: KernelCaseOptions,
): AsyncIterable<CaseResult> {
  let checked = 0;
  for await (const made of checksOf(manifest, tensors, device, load)) {
    checked++;
    yield "error" in made ? failed(made.id, made.error) : await runCheck(device, manifest, made);
  }
  if (checked === 0) yield failed(manifest.case, "nothing in it that this runner knows how to check");
}

const failed = (id: string, reason: string): CaseResult => ({
  id,
  ok: false,
  worstAbs: Number.NaN,
  worstRel: Number.NaN,
  tolerance: TOLERANCE,
  reason,
});

async function runCheck(device: Device, manifest: Manifest, check: Check): Promise<CaseResult> {
  const { id, dispatches, inputs, output, expected, pick = (v) => v, absolute = false } = check;
  const tolerance = check.tolerance ?? manifest.tolerance ?? TOLERANCE;
  try {
    const [all] = await runOn(device, dispatches, inputs, [output]);
    const { worstAbs, worstRel } = compare(pick(all!), expected);
    return { id, ok: (absolute ? worstAbs : worstRel) <= tolerance, worstAbs, worstRel, tolerance };
  } catch (error) {
    return failed(id, (error as Error).message);
  }
}

/** NaN where either side has one: no comparison with a tolerance holds then. */
function compare(actual: ArrayLike<number>, expected: ArrayLike<number>): { worstAbs: number; worstRel: number } {
  if (actual.length !== expected.length)
    throw new Error(`${actual.length} values computed, ${expected.length} expected`);
  let squares = 0;
  for (let i = 0; i < expected.length; i++) squares += expected[i]! ** 2;
  const rms = Math.sqrt(squares / expected.length);
  let worstAbs = 0;
  let worstRel = 0;
  for (let i = 0; i < expected.length; i++) {
    const off = Math.abs(actual[i]! - expected[i]!);
    const relative = off === 0 ? 0 : off / Math.max(Math.abs(expected[i]!), rms);
    if (!(off <= worstAbs)) worstAbs = off;
    if (!(relative <= worstRel)) worstRel = relative;
    if (Number.isNaN(off)) break;
  }
  return { worstAbs, worstRel };
}

async function* checksOf(
  manifest: Manifest,
  tensors: ReadonlyMap<string, Values>,
  device: Device,
  load: KernelCaseOptions["load"],
): AsyncIterable<Made> {
  const families: Record<string, () => AsyncIterable<Made> | Iterable<Made>> = {
    slerp: () => slerpChecks(manifest, tensors),
    timestep_embedding: () => embeddingChecks(tensors, load),
    preprocess: () => preprocessChecks(manifest, tensors),
  };
  // A hidden or renamed case is known by its kind: the part of its name before any suffix.
  const family = Object.keys(families).find((name) => manifest.case === name || manifest.case.startsWith(`${name}_`));
  if (family) {
    yield* families[family]!();
    return;
  }
  for (const subcase of manifest.subcases ?? []) yield* opChecks(subcase, tensors, device);
}
