import { UserError } from "../src/errors";
import { random } from "./checkpoint-models";

/** A reader of bytes from strangers. */
export interface FuzzTarget {
  readonly name: string;
  /** Share of the time beside the others; default 1. */
  readonly share?: number;
  /** Bytes that a case may take at most; default 192 MiB. */
  readonly maxBytes?: number;
  /** Good files to start from. */
  seeds(): Promise<readonly Uint8Array[]> | readonly Uint8Array[];
  /** Mutation that knows the format; the harness has others that do not. */
  readonly mutate?: (bytes: Uint8Array, pick: Pick) => Uint8Array;
  /** Resolves if the file is fine after all, and throws a UserError otherwise. Any other error is a failure, such as of a file
   *  that is accepted and read wrong. @param original the good file that was mutated */
  run(bytes: Uint8Array, original: Uint8Array): Promise<void>;
}

export interface FuzzReport {
  readonly target: string;
  readonly cases: number;
  /** Files that opened in spite of the mutation, and files refused. */
  readonly accepted: number;
  readonly refused: number;
  /** Processor time of the slowest case. */
  readonly slowestMs: number;
  /** Growth of the process at its peak. */
  readonly grownBytes: number;
}

/** Whole numbers from 0 to n - 1. */
export type Pick = (n: number) => number;

/** Limits of each case: processor time, and bytes that it leaves allocated or adds to the peak of the process. */
const MAX_MS = 2000;
const MAX_BYTES = 192 * 2 ** 20;

const peak = () => process.resourceUsage().maxRSS * 1024;

/** Sizes and offsets at the limits of number types. */
const awkward = [
  0n,
  1n,
  0x7fn,
  0xffn,
  0xffffn,
  100_000_000n,
  0x7fffffffn,
  0xffffffffn,
  2n ** 53n,
  2n ** 63n,
  2n ** 64n - 1n,
];

const splice = (bytes: Uint8Array, at: number, remove: number, insert: Uint8Array) => {
  const out = new Uint8Array(bytes.length - remove + insert.length);
  out.set(bytes.subarray(0, at));
  out.set(insert, at);
  out.set(bytes.subarray(at + remove), at + insert.length);
  return out;
};

/** One mutation without knowledge of the format. */
export function mutateBytes(bytes: Uint8Array, pick: Pick): Uint8Array {
  if (bytes.length < 16) return new Uint8Array(bytes);
  const at = pick(2) ? pick(bytes.length) : pick(Math.min(bytes.length, 2000)); // headers lie in front
  const out = new Uint8Array(bytes); // a Buffer's slice() would be a view on the seed
  switch (pick(8)) {
    case 0:
      out[at]! ^= 1 << pick(8);
      return out;
    case 1:
      out[at] = [0, 1, 0x7f, 0x80, 0xff, pick(256)][pick(6)]!;
      return out;
    case 2: {
      const wide = pick(2) ? 8 : 4;
      const place = Math.min(at, bytes.length - wide);
      const value = awkward[pick(awkward.length)]!;
      const view = new DataView(out.buffer);
      if (wide === 8) view.setBigUint64(place, value, true);
      else view.setUint32(place, Number(value & 0xffffffffn), true);
      return out;
    }
    case 3:
      return bytes.slice(0, at);
    case 4:
      return splice(bytes, at, Math.min(pick(64), bytes.length - at), new Uint8Array(0));
    case 5: {
      const from = pick(bytes.length);
      return splice(bytes, at, 0, bytes.slice(from, from + pick(200)));
    }
    case 6: {
      const from = pick(bytes.length);
      out.set(bytes.subarray(from, from + Math.min(pick(64), bytes.length - Math.max(at, from))), at);
      return out;
    }
    default:
      return splice(
        bytes,
        at,
        0,
        Uint8Array.from({ length: pick(16) }, () => pick(256)),
      );
  }
}

/** Runs cases until there are enough or the time is up. A failure names the seed and the case to repeat it with.
 *  @param options.only run this case alone */
export async function fuzz(
  target: FuzzTarget,
  options: { readonly seed: number; readonly cases?: number; readonly seconds?: number; readonly only?: number },
): Promise<FuzzReport> {
  const { seed, cases = Number.POSITIVE_INFINITY, seconds = Number.POSITIVE_INFINITY, only } = options;
  const seeds = await target.seeds();
  const end = performance.now() + seconds * 1000;
  let accepted = 0;
  let refused = 0;
  let slowestMs = 0;
  const start = peak();
  let i = only ?? 0;
  for (const first = i; only === undefined ? i < cases && performance.now() < end : i === first; i++) {
    const next = random(Math.imul(seed, 0x9e3779b1) ^ Math.imul(i + 1, 0x85ebca6b));
    const pick: Pick = (n) => Math.min(n - 1, Math.floor(((next() + 1) / 2) * n));
    const original = seeds[pick(seeds.length)]!;
    let bytes = original;
    for (let n = 1 + (pick(3) === 0 ? pick(4) : 0); n > 0; n--)
      bytes = target.mutate && pick(2) ? target.mutate(bytes, pick) : mutateBytes(bytes, pick);
    const repeat = `${target.name} --seed ${seed} --case ${i}`;
    const before = process.memoryUsage().arrayBuffers;
    const highest = peak();
    const began = process.cpuUsage();
    try {
      await target.run(bytes, original);
      accepted++;
    } catch (error) {
      if (!(error instanceof UserError)) throw new Error(`fuzz: ${repeat}: not a UserError`, { cause: error });
      if (error.message.includes("\n") || error.message.length > 1000)
        throw new Error(`fuzz: ${repeat}: not one line: ${error.message.slice(0, 200)}`);
      refused++;
    }
    const { user, system } = process.cpuUsage(began);
    const ms = (user + system) / 1000;
    slowestMs = Math.max(slowestMs, ms);
    if (ms > MAX_MS) throw new Error(`fuzz: ${repeat}: took ${ms.toFixed(0)} ms`);
    const grown = Math.max(process.memoryUsage().arrayBuffers - before, peak() - highest);
    if (grown > (target.maxBytes ?? MAX_BYTES))
      throw new Error(`fuzz: ${repeat}: allocated ${grown} bytes for a file of ${bytes.length}`);
  }
  return {
    target: target.name,
    cases: only === undefined ? i : 1,
    accepted,
    refused,
    slowestMs,
    grownBytes: peak() - start,
  };
}
