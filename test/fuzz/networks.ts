// npm run fuzz:networks -- [--count 200] [--seed N] [--trial N] [--seconds 180]
// Runs a step (plain, injected or calibrated) of random small networks with random weights: with the kernels of a software
// adapter as they are, with bounds checks and every access watched, and with the kernels of a GPU. Results are compared
// with a slow, obvious reference; a sample must come out with the same bytes alone or elsewhere in a batch.
// FUZZ_KERNELS=software leaves a GPU's out, of which most have to be compiled for a minute or two first.
// Exit status 1 if a trial fails, which is printed with its configuration and what repeats it.

import type { AdapterClass } from "../../src/gpu/device";
import { stepOps } from "../../src/inject/ops";
import { Network } from "../../src/model/network";
import { evaluate } from "../golden-runner/evaluate";
import type { Values } from "../golden-runner/kernels";
import { referenceGraph } from "../support/reference-network";
import { fuzzCommand } from "./command";
import { type Bench, benches, closeBenches } from "./devices";
import { type NetworkTrial, networkTrial } from "./network-trials";

/** Root mean square of the difference to the reference, as a share of the result's own, at most. */
const TOLERANCE = { exact: 1e-3, fast: 4e-3 };

/** A group norm of a few nearly equal values magnifies errors up to 1 / sqrt(eps) = 316 times, and a network has many in a
 *  row. Where a result is farther off than the tolerance, it may be by this many times what the reference moves by with
 *  weights changed by a millionth: the time embedding, with f32 angles up to 1000, is no more exact than that. */
const MOST_MILLIONTHS = 10;

/** The values changed by about a millionth: another fifth last bit in f32. */
function nudged(values: Float32Array<ArrayBuffer>): Float32Array<ArrayBuffer> {
  const changed = values.slice();
  const bits = new Uint32Array(changed.buffer);
  for (const i of bits.keys()) bits[i]! ^= 16;
  return changed;
}

const tried: readonly AdapterClass[] = process.env.FUZZ_KERNELS === "software" ? ["software"] : ["software", "gpu"];

async function runTrial(seed: number, trial: number): Promise<string[]> {
  const t = networkTrial(seed, trial);
  const all = Array.from({ length: t.batch }, (_, n) => n);
  const expected = referenceGraph(t.graph(t.batch), (key) => t.weights.get(key)!, t.inputs(all));
  let elsewhere: ReturnType<typeof referenceGraph> | undefined;
  const shaders: string[] = [];
  for (const bench of await benches())
    for (const kernels of tried) {
      if (kernels === "gpu" && bench.watched) continue;
      const where = `${kernels} kernels, ${bench.name}`;
      const fail = (what: string): never => {
        throw new Error(`${t.name}: ${where}: ${what}`);
      };
      using _ = pretending(bench, kernels);
      const network = await Network.load(t.checkpoint, bench.device, t.options);
      try {
        const results = await run(network, t, all).catch((error: Error) => fail(error.message));
        const outside = await bench.outside();
        if (outside > 0) fail(`${outside} accesses outside`);
        for (const name of t.outputs) {
          const off = relativeDifference(results.get(name)!.data, expected.get(name)!.data);
          if (off <= TOLERANCE[t.options.precision!]) continue;
          elsewhere ??= referenceGraph(t.graph(t.batch), (key) => nudged(t.weights.get(key)!), t.inputs(all));
          const moved = relativeDifference(elsewhere.get(name)!.data, expected.get(name)!.data);
          if (!(off <= MOST_MILLIONTHS * moved))
            fail(`${name} is off by ${off}; a millionth in the weights moves the reference by ${moved}`);
        }
        const [backwards, last] = [all.toReversed(), [t.batch - 1]];
        const others = kernels === "software" ? [backwards, last] : [trial % 2 === 0 ? backwards : last]; // those are slow
        if (t.batch > 1 && !bench.watched) await expectSameBytes(network, t, results, others, fail);
        shaders.push(
          ...network.lower(t.graph(t.batch), stepOps).nodes.flatMap((n) => n.dispatches.map((d) => d.shader)),
        );
      } finally {
        network.destroy();
      }
    }
  return shaders;
}

/** The device chooses kernels as if its adapter were of this class, until disposed. */
function pretending({ device }: Bench, adapterClass: AdapterClass): Disposable {
  Object.defineProperty(device, "adapterClass", { value: adapterClass, configurable: true });
  return { [Symbol.dispose]: () => void delete (device as { adapterClass?: AdapterClass }).adapterClass };
}

type Results = ReadonlyMap<string, Values>;

const run = (network: Network, t: NetworkTrial, samples: readonly number[]): Promise<Results> =>
  evaluate(network, t.graph(samples.length), t.inputs(samples), t.outputs);

/** Runs other batches, which consist of samples of the first. */
async function expectSameBytes(
  network: Network,
  t: NetworkTrial,
  together: Results,
  others: readonly (readonly number[])[],
  fail: (what: string) => never,
) {
  for (const samples of others)
    for (const [name, { shape, data }] of await run(network, t, samples)) {
      const all = together.get(name)!.data;
      const parts = shape[0]! / samples.length; // 2 for [e; e~]
      for (let part = 0; part < parts; part++)
        for (const [i, n] of samples.entries()) {
          const alone = bytesOf(data, parts * samples.length, part * samples.length + i);
          if (!alone.equals(bytesOf(all, parts * t.batch, part * t.batch + n)))
            fail(`${name} of sample ${n} differs ${samples.length === 1 ? "alone" : "in a batch backwards"}`);
        }
    }
}

/** Sample n of `count`. */
const bytesOf = ({ buffer, byteLength }: Float32Array, count: number, n: number): Buffer =>
  Buffer.from(buffer, (n * byteLength) / count, byteLength / count);

function relativeDifference(found: ArrayLike<number>, expected: ArrayLike<number>): number {
  if (found.length !== expected.length) return Number.POSITIVE_INFINITY;
  let [difference, power] = [0, 0];
  for (let i = 0; i < found.length; i++) {
    difference += (found[i]! - expected[i]!) ** 2;
    power += expected[i]! ** 2;
  }
  return Math.sqrt(difference / power);
}

await fuzzCommand({
  name: "fuzz:networks",
  batch: 200,
  seconds: 180,
  run: runTrial,
  close: closeBenches,
  check: () => [],
});
