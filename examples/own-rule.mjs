// A mixing rule of your own, as a WGSL file:   node examples/own-rule.mjs CONTENT ORIGINAL OUT.png [STEPS]
import { readFile, writeFile } from "node:fs/promises";
import { loadModel } from "injectfusion";

const [content, original, out, steps = "50"] = process.argv.slice(2);
const wgsl = await readFile(new URL("rule.wgsl", import.meta.url), "utf8");

const model = await loadModel();
const result = await model.inject({
  content,
  original,
  steps: Number(steps),
  stepsInversion: Number(steps),
  gamma: 0.4,
  rule: { wgsl },
});
await writeFile(out, await result.toPng());
console.log(out);
model.dispose();
