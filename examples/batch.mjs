// Every picture of one folder into every picture of another:   node examples/batch.mjs CONTENTS ORIGINALS OUT [STEPS]
import { mkdir, readdir, writeFile } from "node:fs/promises";
import { join, parse } from "node:path";
import { loadModel } from "injectfusion";

const [contents, originals, out, steps = "50"] = process.argv.slice(2);
await mkdir(out, { recursive: true });

const model = await loadModel(); // opens a device of its own
const invert = async (folder) => {
  const names = (await readdir(folder)).filter((name) => /\.(?:png|jpe?g|webp)$/i.test(name)).sort();
  const pictures = names.map((name) => join(folder, name));
  return { names, batch: await model.invert(pictures, { steps: Number(steps) }) };
};
const [content, original] = [await invert(contents), await invert(originals)];
try {
  for (const [o, originalName] of original.names.entries()) {
    // One original against all contents is one run: what is single is shared.
    const result = await model.inject({
      content: content.batch,
      original: original.batch.select(o),
      steps: Number(steps),
      gamma: 0.4,
    });
    for (const [c, contentName] of content.names.entries())
      await writeFile(join(out, `${parse(originalName).name}--${parse(contentName).name}.png`), await result.toPng(c));
    result.dispose();
    console.log(`${originalName}: ${content.names.length} pictures`);
  }
} finally {
  model.dispose(); // and with it the device, so that the process can end
}
