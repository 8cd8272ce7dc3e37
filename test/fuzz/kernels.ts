// npm run fuzz:kernels -- [--count 200] [--seed N] [--trial N] [--seconds 120]
// Runs random kernels on random small shapes: on the adapter as it is, and with bounds checks and every access watched.
// Results are compared with slow, obvious ones. Exit status 1 if a trial fails, which is printed with what repeats it.

import { elements } from "../../src/kernels/dispatch";
import { allShaders } from "../../src/wgsl/tuner-shaders";
import { runOn } from "../support/run";
import { fuzzCommand } from "./command";
import { benches, closeBenches } from "./devices";
import { type Expected, kernelTrial } from "./kernel-trials";

/** Shaders that no trial reaches, with the reason. */
const unreached: Readonly<Record<string, string>> = {
  "conv/matrix": "needs subgroup matrices; test/conv-matrix.test.ts emulates them",
  "conv/matrix_patch": "as conv/matrix; test/conv-matrix-patch.test.ts",
  "conv/tile_half": "needs shader-f16; test/conv-half.test.ts runs its code in f32, and in f16 where there is f16",
};

async function runTrial(seed: number, trial: number): Promise<string[]> {
  const { name, dispatches, inputs, expected } = kernelTrial(seed, trial);
  const problems: string[] = [];
  for (const bench of await benches()) {
    const tensors = expected.map(({ tensor }) => tensor);
    const results = await runOn(bench.device, dispatches, inputs, tensors).catch((error: Error) => error.message);
    const outside = await bench.outside();
    if (outside > 0) problems.push(`${bench.name}: ${outside} accesses outside`);
    if (typeof results === "string") problems.push(`${bench.name}: ${results}`);
    else
      problems.push(...expected.flatMap((e, i) => differences(e, results[i]!)).map((text) => `${bench.name}: ${text}`));
    if (problems.length > 0) break; // what would be next may not survive it
  }
  if (problems.length > 0) throw new Error(`${name}: ${problems.join("; ")}`);
  return dispatches.map(({ shader }) => shader);
}

function differences({ tensor, values, rtol, atol }: Expected, found: Float32Array<ArrayBuffer>): string[] {
  const actual: ArrayLike<number> = tensor.dtype === "u32" ? new Uint32Array(found.buffer) : found;
  if (values.length !== elements(tensor))
    return [`${tensor.name}: ${values.length} values expected of [${tensor.shape}]`];
  let [count, worst, first] = [0, 0, -1];
  for (let i = 0; i < values.length; i++) {
    const [value, wanted] = [actual[i]!, values[i]!];
    if (Number.isNaN(wanted) && Number.isNaN(value)) continue;
    const off = Math.abs(value - wanted);
    if (off <= atol + rtol * Math.abs(wanted)) continue;
    if (first < 0) first = i;
    count++;
    if (!(off <= worst)) worst = off;
  }
  if (count === 0) return [];
  const at = `first at ${first}: ${actual[first]}, expected ${values[first]}`;
  return [`${tensor.name}: ${count} of ${values.length} differ, worst by ${worst}, ${at}`];
}

await fuzzCommand({
  name: "fuzz:kernels",
  batch: 500,
  seconds: 120,
  run: runTrial,
  close: closeBenches,
  /** With enough trials every shader must have run. */
  check: ({ seen }, count) =>
    count < 1000
      ? []
      : Object.keys(allShaders)
          .filter((name) => !seen.has(name) && !unreached[name])
          .map((name) => `${name} never ran`),
});
