// The engine in a worker of Node:   node examples/worker/main.mjs CONTENT ORIGINAL OUT.png [STEPS]
// In a page the same, with `new Worker(new URL("./worker.mjs", import.meta.url), { type: "module" })`.
import { readFile, writeFile } from "node:fs/promises";
import { Worker } from "node:worker_threads";
import { encodePng } from "injectfusion";
import { connect } from "injectfusion/worker";

const [content, original, out, steps = "50"] = process.argv.slice(2);
const worker = new Worker(new URL("./worker.mjs", import.meta.url));
const engine = connect(worker);

const { name, resolution } = await engine.load();
console.log(`${name}: ${resolution} x ${resolution}`);
const [picture] = await engine.inject(
  {
    content: await readFile(content),
    original: await readFile(original),
    steps: Number(steps),
    stepsInversion: Number(steps),
  },
  { onStep: ({ phase, step, steps: all }) => console.log(`${phase} ${step}/${all}`) },
);
await writeFile(out, await encodePng(picture));
await engine.dispose();
await worker.terminate();
