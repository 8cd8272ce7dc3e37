/** The numbers behind portraits, for training the feature network (`weights/features.py`).
 *    node esbuild.mjs weights/portraits/targets.ts --count 20000 --seed 1 --out targets.f32     f32 [count, names]
 *  Numbered as `draw.ts` numbers them. Prints what each number is, and how many of them are content. */
import { writeFileSync } from "node:fs";
import { parseArgs } from "node:util";
import { beardShapes, collarShapes, type Factors, glassesShapes, hairShapes, sampleFactors, textures } from "./factors";

const numbers = [
  "headWidth",
  "headHeight",
  "jaw",
  "hairVolume",
  "hairSide",
  "smile",
  "mouthOpen",
  "browTilt",
  "browHeight",
  "eyeSize",
  "noseSize",
  "yaw",
  "pitch",
  "tilt",
  "scale",
  "offsetX",
  "offsetY",
] as const satisfies readonly (keyof Factors)[];
const choices = { hair: hairShapes, glasses: glassesShapes, beard: beardShapes, collar: collarShapes } as const;
const colours = ["skin", "hairColour", "cloth", "background"] as const satisfies readonly (keyof Factors)[];

/** Content first, then style: [name, value]; a choice is one number for each of its kinds. */
function targets(f: Factors): { content: [string, number][]; style: [string, number][] } {
  const oneOf = (name: keyof Factors, kinds: readonly string[]) =>
    kinds.map((kind): [string, number] => [`${name}.${kind}`, Number(f[name] === kind)]);
  const content = [
    ...numbers.map((name): [string, number] => [name, f[name]]),
    ...Object.entries(choices).flatMap(([name, kinds]) => oneOf(name as keyof typeof choices, kinds)),
  ];
  const style = [
    ...colours.flatMap((name) => f[name].map((value, i): [string, number] => [`${name}.${"rgb"[i]}`, value])),
    ...oneOf("texture", textures),
  ];
  return { content, style };
}

const { values } = parseArgs({
  options: {
    count: { type: "string", default: "20000" },
    seed: { type: "string", default: "1" },
    out: { type: "string", default: "targets.f32" },
  },
});
const count = Number(values.count);
const { content, style } = targets(sampleFactors(0));
const width = content.length + style.length;
const all = new Float32Array(count * width);
for (let i = 0; i < count; i++) {
  const of = targets(sampleFactors(Number(values.seed) * 1_000_000 + i));
  all.set(
    [...of.content, ...of.style].map(([, value]) => value),
    i * width,
  );
}
writeFileSync(values.out, all);
console.log(JSON.stringify({ content: content.map(([name]) => name), style: style.map(([name]) => name) }));
