/** node esbuild.mjs weights/directions.ts [--pairs 8 --originals 4 --scale 2 --steps 20 --solver ddim]
 *
 *  Measures directions in h on the shipped model. For each named factor of the drawn portraits, some portraits are drawn with
 *  and without it, all else equal, and the direction is the difference of the means. It is then added to other portraits
 *  without the factor, with the norm of h kept and without, and the feature network of weights/features says how much of the
 *  factor came (as a share of what drawing it would bring) and how far everything else moved. */
import { parseArgs } from "node:util";
import { differenceOf } from "../src/experiments/directions";
import { loadModel, openDevice } from "../src/node";
import { openPortraitFeatures } from "../src/platform/portrait-features-node";
import { mean, type Pixels, paletteDistance } from "./portraits/measures";
import { drawPortrait, type Factors, sampleFactors } from "./portraits/portrait";

const { values } = parseArgs({
  options: {
    pairs: { type: "string", default: "8" },
    originals: { type: "string", default: "4" },
    scale: { type: "string", default: "2" },
    steps: { type: "string", default: "20" },
    solver: { type: "string", default: "ddim" },
    only: { type: "string" },
  },
});
const solver = values.solver as "ddim" | "dpm++2m";
const steps = Number(values.steps);
const scale = Number(values.scale);
const HELD_OUT_SEED = 900_000_000; // training draws 1,000,000 .. 1,039,999

/** What a factor is with and without, and which outputs of the feature network tell it. */
const factors: Readonly<Record<string, { with: Partial<Factors>; without: Partial<Factors>; tells: RegExp }>> = {
  glasses: { with: { glasses: "sunglasses" }, without: { glasses: "none" }, tells: /^glasses\./ },
  beard: { with: { beard: "full" }, without: { beard: "none" }, tells: /^beard\./ },
  smile: { with: { smile: 0.9, mouthOpen: 0 }, without: { smile: -0.6, mouthOpen: 0 }, tells: /^smile$/ },
  hair: { with: { hair: "long" }, without: { hair: "short" }, tells: /^hair\./ },
};

const device = await openDevice();
const model = await loadModel("portraits64", { device });
const { identity, names } = await openPortraitFeatures();
const draw = (i: number, factor: Partial<Factors>): Pixels => ({
  width: model.resolution,
  height: model.resolution,
  data: drawPortrait({ ...sampleFactors(HELD_OUT_SEED + i), ...factor }, model.resolution),
});
const tell = async (pictures: readonly Pixels[]) =>
  (await identity.embed(pictures)).map(({ vector }) => Array.from(vector));
const range = (n: number, from = 0) => Array.from({ length: n }, (_, i) => from + i);

console.log("factor   norm   came  else moved  drawn moves else  palette");
for (const [name, factor] of Object.entries(factors)) {
  if (values.only && values.only !== name) continue;
  const seeds = range(Number(values.pairs));
  using direction = await differenceOf(
    model,
    seeds.map((i) => draw(i, factor.with)),
    seeds.map((i) => draw(i, factor.without)),
    { steps, solver },
  );
  const others = range(Number(values.originals), 100);
  const [pictures, drawn] = [factor.without, factor.with].map((kind) => others.map((i) => draw(i, kind)));
  using inversion = await model.invert(pictures!, { steps, solver });
  using plain = await model.reconstruct(inversion);
  const unmoved = await plain.toPixels();
  const [from, to, truth] = [await tell(unmoved), await tell(drawn!), await tell(pictures!)];
  const own = names.map((output, k) => [output, k] as const).filter(([output]) => factor.tells.test(output));
  const rest = names.map((_, k) => k).filter((k) => !own.some(([, o]) => o === k));
  const rms = (a: number[], b: number[]) => Math.sqrt(mean(rest.map((k) => (a[k]! - b[k]!) ** 2)));
  for (const keepNorm of [true, false]) {
    using result = await model.inject({
      original: inversion,
      steps,
      solver,
      directions: [{ of: direction, scale, keepNorm }],
    });
    const moved = await result.toPixels();
    const there = await tell(moved);
    // Along the way that drawing the factor goes: its share, 1 for all of it.
    const came = others.map((_, n) => {
      const way = own.map(([, k]) => to[n]![k]! - truth[n]![k]!);
      const went = own.map(([, k]) => there[n]![k]! - from[n]![k]!);
      return way.reduce((sum, v, i) => sum + v * went[i]!, 0) / way.reduce((sum, v) => sum + v * v, 0);
    });
    const elseMoved = mean(others.map((_, n) => rms(there[n]!, from[n]!)));
    const drawnElse = mean(others.map((_, n) => rms(to[n]!, truth[n]!)));
    const palette = mean(others.map((_, n) => paletteDistance(moved[n]!, unmoved[n]!)));
    const cells = [
      mean(came).toFixed(2).padStart(6),
      elseMoved.toFixed(2).padStart(11),
      drawnElse.toFixed(2).padStart(17),
    ];
    console.log(name.padEnd(8), (keepNorm ? "kept" : "free").padEnd(5), ...cells, palette.toFixed(1).padStart(8));
  }
}
model.dispose();
device.destroy();
