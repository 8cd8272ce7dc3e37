// Replays measured times over many workers: makespan, efficiency, bytes and the queue's load, for 10^4 to 10^8 pairs.
//   node esbuild.mjs docs/scale/simulate.ts [--step-ms 11.7] [--workers 8,64,512,4096] [--block 32] [--keep-gib 4]
// Jobs go to whoever is free, in the queue's order. A worker keeps inversions as `Keeper` does, the least recently used
// going first. Storage is one server: a rate for all, a rate for each worker, a time for each file.
import { parseArgs } from "node:util";
import { aligned } from "../../src/cli/table";
import { type Block, lengthOf, pairsIn, tile, tilesOf } from "../../src/experiments/blocks";

const { values: flags } = parseArgs({
  options: {
    "step-ms": { type: "string", default: "11.7" },
    pairs: { type: "string", default: "1e4,1e6,1e8" },
    workers: { type: "string", default: "8,64,512,4096" },
    block: { type: "string", default: "32" },
    "keep-gib": { type: "string", default: "4" },
  },
});
const list = (text: string) => text.split(",").map(Number);

/** Times and sizes; those marked were measured (docs/scale/README.md says where), the others are taken as typical. */
const facts = {
  /** a CelebA-HQ forward on an H100, f32: measured */
  forward: Number(flags["step-ms"]) / 1000,
  /** forwards of an inversion: 50 steps */
  invert: 50,
  /** forwards of a pair: 50 steps, of which 30 inject at 1.73 forwards each */
  inject: 20 + 30 * 1.73,
  /** spread of a job's time, as a share: clocks, neighbours */
  spread: 0.05,
  /** seconds to open a device, load a model and compile */
  start: 10,
  /** seconds between failures of one worker, and until its job is taken over */
  failure: 14 * 24 * 3600,
  takeOver: 150,
  /** bytes of an inversion, a picture and a result */
  inversionBytes: 8.1e6,
  pictureBytes: 3e5,
  resultBytes: 1.2e5,
  /** storage: bytes a second in all and for a worker, files made a second */
  storage: 5e9,
  storageEach: 1e9,
  files: 5000,
  /** commands that a job costs Redis, those inside its scripts too, and those of each report of a running job; bytes of
   *  a finished job: measured */
  redisJob: 25,
  redisTick: 6,
  redisBytes: 1740,
  /** seconds between reports */
  report: 2,
  /** such commands that one Redis answers a second: measured, 126 us for a job's 25 */
  redisRate: 2e5,
} as const;

/** The same sequence every time. */
function random(seed: number): () => number {
  let s = seed >>> 0;
  return () => {
    s = (Math.imul(s, 1664525) + 1013904223) >>> 0;
    return s / 2 ** 32;
  };
}

/** Times at which workers are free, the earliest first: a binary heap. */
class Free {
  readonly #heap: { time: number; worker: number }[] = [];

  push(time: number, worker: number): void {
    const heap = this.#heap;
    let at = heap.push({ time, worker }) - 1;
    while (at > 0 && heap[(at - 1) >> 1]!.time > time) {
      heap[at] = heap[(at - 1) >> 1]!;
      at = (at - 1) >> 1;
    }
    heap[at] = { time, worker };
  }

  pop(): { time: number; worker: number } {
    const heap = this.#heap;
    const first = heap[0]!;
    const last = heap.pop()!;
    if (heap.length > 0) {
      let at = 0;
      for (;;) {
        let child = 2 * at + 1;
        if (child >= heap.length) break;
        if (child + 1 < heap.length && heap[child + 1]!.time < heap[child]!.time) child++;
        if (heap[child]!.time >= last.time) break;
        heap[at] = heap[child]!;
        at = child;
      }
      heap[at] = last;
    }
    return first;
  }
}

/** Inversions that a worker has at hand. */
class Kept {
  readonly #pictures = new Set<number>();

  constructor(readonly most: number) {}

  /** Counts the pictures of a block that are not at hand, and takes them in. */
  take({ contents, originals }: Block, side: number): number[] {
    const missing: number[] = [];
    const see = (picture: number) => {
      if (!this.#pictures.delete(picture)) missing.push(picture);
      this.#pictures.add(picture);
    };
    for (let i = contents.from; i < contents.to; i++) see(i);
    for (let i = originals.from; i < originals.to; i++) see(side + i);
    for (const oldest of this.#pictures) {
      if (this.#pictures.size <= this.most) break;
      this.#pictures.delete(oldest);
    }
    return missing;
  }
}

interface Outcome {
  readonly makespan: number;
  readonly efficiency: number;
  /** inversions made, over those that are needed */
  readonly inverted: number;
  readonly read: number;
  readonly written: number;
  /** share of the time that storage is busy, at its rate */
  readonly storage: number;
  readonly filesPerSecond: number;
  readonly redisPerSecond: number;
  readonly redisBytes: number;
  readonly jobs: number;
}

/** @param shared whether workers find each other's inversions on the storage */
function simulate(pairs: number, workers: number, shared: boolean): Outcome {
  const side = Math.round(Math.sqrt(pairs));
  const size = { contents: side, originals: side };
  const [most, of] = [Number(flags.block), tilesOf(size, Number(flags.block))];
  const dice = random(pairs + workers);
  const free = new Free();
  for (let worker = 0; worker < workers; worker++) free.push(0, worker);
  const room = Math.floor((Number(flags["keep-gib"]) * 2 ** 30) / facts.inversionBytes);
  const kept = new Map<number, Kept>();
  /** pictures that somebody has inverted, and when: shared from then on */
  const onDisk = new Map<number, number>();
  const rate = Math.min(facts.storageEach, facts.storage / workers);
  let [makespan, inverted, read, written, redis] = [0, 0, 0, 0, 0];
  for (let index = 1; index <= of; index++) {
    const { time, worker } = free.pop();
    const block = tile(size, most, index);
    const own = kept.get(worker) ?? new Kept(Math.max(room, lengthOf(block.contents) + lengthOf(block.originals)));
    const isNew = !kept.has(worker);
    kept.set(worker, own);
    const missing = own.take(block, side);
    const found = shared ? missing.filter((picture) => (onDisk.get(picture) ?? Number.POSITIVE_INFINITY) <= time) : [];
    const made = missing.length - found.length;
    const bytesRead = made * facts.pictureBytes + found.length * facts.inversionBytes;
    const bytesWritten = pairsIn(block) * facts.resultBytes + (shared ? made * facts.inversionBytes : 0);
    const computing = (made * facts.invert + pairsIn(block) * facts.inject) * facts.forward;
    const noise = 1 + facts.spread * Math.sqrt(12) * (dice() - 0.5);
    const moving = (bytesRead + bytesWritten) / rate;
    const creating = (pairsIn(block) * workers) / facts.files; // files of all workers queue up
    // results are written while the next are computed: the slower of the two counts
    const lasts = (isNew ? facts.start : 0) + bytesRead / rate + Math.max(computing * noise, moving, creating);
    const fails = dice() < lasts / facts.failure;
    const end = time + lasts + (fails ? lasts * dice() + facts.takeOver : 0);
    // the inversions of a job are made, and written, before its pairs
    const inverting = time + bytesRead / rate + made * facts.invert * facts.forward;
    for (const picture of missing) if (!onDisk.has(picture)) onDisk.set(picture, inverting);
    free.push(end, worker);
    makespan = Math.max(makespan, end);
    inverted += made;
    read += bytesRead;
    written += bytesWritten;
    redis += facts.redisJob + (facts.redisTick * lasts) / facts.report;
  }
  const ideal = (pairs * facts.inject + 2 * side * facts.invert) * facts.forward;
  return {
    makespan,
    efficiency: ideal / (workers * makespan),
    inverted: inverted / (2 * side),
    read,
    written,
    storage: (read + written) / makespan / facts.storage,
    filesPerSecond: pairs / makespan,
    redisPerSecond: redis / makespan,
    redisBytes: of * facts.redisBytes,
    jobs: of,
  };
}

const time = (seconds: number) =>
  seconds < 120
    ? `${seconds.toFixed(0)} s`
    : seconds < 7200
      ? `${(seconds / 60).toFixed(0)} min`
      : seconds < 172800
        ? `${(seconds / 3600).toFixed(1)} h`
        : `${(seconds / 86400).toFixed(1)} d`;
const size = (bytes: number) =>
  bytes < 1e9
    ? `${(bytes / 1e6).toFixed(0)} MB`
    : bytes < 1e12
      ? `${(bytes / 1e9).toFixed(1)} GB`
      : `${(bytes / 1e12).toFixed(1)} TB`;
const percent = (share: number) => `${(100 * share).toFixed(share < 0.1 ? 1 : 0)} %`;

const columns = ["pairs", "workers", "inversions", "jobs", "makespan", "efficiency", "inverted", "read", "written", "storage", "files/s", "Redis/s", "Redis"]; // biome-ignore format: one line reads better
const rows: string[][] = [];
for (const pairs of list(flags.pairs))
  for (const workers of list(flags.workers))
    for (const shared of [false, true]) {
      const o = simulate(pairs, workers, shared);
      rows.push([
        pairs.toExponential(0).replace("+", ""),
        String(workers),
        shared ? "shared" : "own",
        String(o.jobs),
        time(o.makespan),
        percent(o.efficiency),
        `${o.inverted.toFixed(1)}x`,
        size(o.read),
        size(o.written),
        percent(o.storage),
        o.filesPerSecond.toFixed(0),
        `${o.redisPerSecond.toFixed(1)} (${percent(o.redisPerSecond / facts.redisRate)})`,
        size(o.redisBytes),
      ]);
    }
for (const line of aligned(columns, rows)) console.log(line);
