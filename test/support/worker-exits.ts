// Run by test/workers.test.ts, and the file of its workers too.
//   exit: exits while a worker is at a run    equal: two workers at once, against this thread alone
import { fileURLToPath } from "node:url";
import { isMainThread, Worker } from "node:worker_threads";
import type { Pixels } from "../../src/api";
import { connect, type Line, serve } from "../../src/subpaths/worker-node";
import { loadTrained, pictureOf } from "./trained";

const file = "test/golden/ddpm_tiny_trained.weights.safetensors";
const inject = (seed: number) => ({
  content: pictureOf(seed),
  original: pictureOf(seed + 1),
  steps: 3,
  stepsInversion: 3,
  gamma: 0.5,
});

const start = () => new Worker(fileURLToPath(import.meta.url));
const engineOf = (worker: Worker) => connect(worker as unknown as Line);
const same = (a: Pixels, b: Pixels) => Buffer.compare(Uint8Array.from(a.data), Uint8Array.from(b.data)) === 0;

if (!isMainThread) serve();
else if (process.argv[2] === "exit") {
  const engine = engineOf(start());
  await engine.load(file, { resolution: 32 });
  engine.inject({ ...inject(1), steps: 50, stepsInversion: 50 }).catch(() => {});
  // Its pipelines are being compiled by then, or its steps are running.
  setTimeout(() => process.exit(7), Number(process.argv[3]));
} else {
  const workers = [1, 2].map(start);
  const pictures = await Promise.all(
    workers.map(async (worker, i) => {
      const engine = engineOf(worker);
      await engine.load(file, { resolution: 32 });
      const [first] = await engine.inject(inject(i));
      const [again] = await engine.inject(inject(i));
      await engine.dispose();
      await worker.terminate();
      return [first!, again!];
    }),
  );
  const model = await loadTrained();
  for (const [i, both] of pictures.entries()) {
    using result = await model.inject(inject(i));
    const [alone] = await result.toPixels();
    console.log(i, ...both.map((one) => same(one, alone!)), new Set(alone!.data).size > 50);
  }
  model.dispose();
}
