// Two pictures in, one out, with the library alone:   node esbuild.mjs examples/inject.ts CONTENT ORIGINAL
import { writeFileSync } from "node:fs";
import { loadModel, openDevice } from "../src/node";

const [content = "weights/examples/portrait-02.png", original = "weights/examples/portrait-01.png"] =
  process.argv.slice(2);

using device = await openDevice();
using model = await loadModel("portraits64", { device });
using inverted = await model.invert([content, original], { steps: 50 });

// One batch: the same pair at four strengths.
using results = await model.inject({
  content: inverted.select(0),
  original: inverted.select(1),
  variants: [0, 0.2, 0.4, 0.6].map((gamma) => ({ gamma })),
  tBoost: 0,
});
const pictures = await results.toPixels();
pictures.forEach(({ data, width, height }, i) => {
  // A PPM needs no library; the command line writes PNG.
  const rgb = Buffer.alloc(width * height * 3);
  for (let p = 0; p < width * height; p++) rgb.set(data.subarray(4 * p, 4 * p + 3), 3 * p);
  writeFileSync(`inject-${i}.ppm`, Buffer.concat([Buffer.from(`P6 ${width} ${height} 255\n`), rgb]));
});
console.log(`${pictures.length} pictures, gamma 0 to 0.6`);
