/** node esbuild.mjs weights/directions.ts [--pairs 8 --originals 4 --scale 2 --steps 20 --solver dpm++2m --only hair]
 *                                         [--components 3 --pictures 32]
 *
 *  Measures directions in h on the shipped model, with the parameters that suit the solver. For each named factor of the
 *  drawn portraits, some portraits are drawn with and without it, all else equal, and the direction is the difference of the
 *  means. It is then added to other portraits without the factor, with the norm of h kept and without, and the feature
 *  network of weights/features says how much of the factor came (as a share of what drawing it would bring) and how far
 *  everything else moved.
 *  With `--components`, principal components of h over drawn portraits instead, and how much of every factor each brings. */
import { parseArgs } from "node:util";
import { componentsOf, differenceOf } from "../src/experiments/directions";
import type { Directions } from "../src/inject/directions";
import type { Inversion } from "../src/inject/inversion";
import { loadModel, openDevice } from "../src/node";
import { openPortraitFeatures } from "../src/platform/portrait-features-node";
import { heldOut } from "./portraits/held-out";
import { mean, type Pixels, paletteDistance } from "./portraits/measures";
import type { Factors } from "./portraits/portrait";

const { values } = parseArgs({
  options: {
    pairs: { type: "string", default: "8" },
    originals: { type: "string", default: "4" },
    scale: { type: "string", default: "2" },
    steps: { type: "string", default: "20" },
    solver: { type: "string", default: "dpm++2m" },
    only: { type: "string" },
    components: { type: "string", default: "0" },
    pictures: { type: "string", default: "32" },
  },
});
const solver = values.solver as "ddim" | "dpm++2m";
const steps = Number(values.steps);
const scale = Number(values.scale);

interface Factor {
  readonly with: Partial<Factors>;
  readonly without: Partial<Factors>;
  /** the outputs of the feature network that tell it */
  readonly tells: RegExp;
}

const factors: Readonly<Record<string, Factor>> = {
  glasses: { with: { glasses: "sunglasses" }, without: { glasses: "none" }, tells: /^glasses\./ },
  beard: { with: { beard: "full" }, without: { beard: "none" }, tells: /^beard\./ },
  smile: { with: { smile: 0.9, mouthOpen: 0 }, without: { smile: -0.6, mouthOpen: 0 }, tells: /^smile$/ },
  hair: { with: { hair: "long" }, without: { hair: "short" }, tells: /^hair\./ },
};

const device = await openDevice();
const model = await loadModel("portraits64", { device });
const { identity, names } = await openPortraitFeatures();
const draw = (i: number, factor: Partial<Factors>) => heldOut(i, model.resolution, factor);
const tell = async (pictures: readonly Pixels[]) =>
  (await identity.embed(pictures)).map(({ vector }) => Array.from(vector));
const range = (n: number, from = 0) => Array.from({ length: n }, (_, i) => from + i);
const others = range(Number(values.originals), 100);

/** What the feature network says of pictures drawn with a factor and without it, and which outputs are the factor's. */
async function drawnWith({ tells, ...factor }: Factor) {
  const [without, drawn] = [factor.without, factor.with].map((kind) => others.map((i) => draw(i, kind)));
  const own = names.flatMap((output, k) => (tells.test(output) ? [k] : []));
  return { pictures: without!, own, from: await tell(without!), to: await tell(drawn!) };
}

/** How far vectors moved, in the root mean square of these outputs. */
const moved = (outputs: readonly number[], a: readonly number[][], b: readonly number[][]) =>
  mean(others.map((_, n) => Math.sqrt(mean(outputs.map((k) => (a[n]![k]! - b[n]![k]!) ** 2)))));

/** Along the way that drawing the factor goes: its share, 1 for all of it. */
const came = ({ own, from, to }: Awaited<ReturnType<typeof drawnWith>>, before: number[][], after: number[][]) =>
  mean(
    others.map((_, n) => {
      const way = own.map((k) => to[n]![k]! - from[n]![k]!);
      const went = own.map((k) => after[n]![k]! - before[n]![k]!);
      return way.reduce((sum, v, i) => sum + v * went[i]!, 0) / way.reduce((sum, v) => sum + v * v, 0);
    }),
  );

/** The pictures of an inversion with a direction added, and how far their colours went. */
async function along(original: Inversion, of: Directions, component: number, keepNorm: boolean, unmoved: Pixels[]) {
  using result = await model.inject({
    original,
    steps,
    solver,
    directions: [{ of, component, scale, keepNorm }],
  });
  const pictures = await result.toPixels();
  return { told: await tell(pictures), palette: mean(pictures.map((p, n) => paletteDistance(p, unmoved[n]!))) };
}

async function reconstructed(pictures: readonly Pixels[]) {
  const inversion = await model.invert(pictures, { steps, solver });
  using plain = await model.reconstruct(inversion);
  const unmoved = await plain.toPixels();
  return { inversion, unmoved, before: await tell(unmoved) };
}

async function differences(): Promise<void> {
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
    const drawn = await drawnWith(factor);
    const { inversion, unmoved, before } = await reconstructed(drawn.pictures);
    const rest = names.map((_, k) => k).filter((k) => !drawn.own.includes(k));
    for (const keepNorm of [true, false]) {
      const { told, palette } = await along(inversion, direction, 0, keepNorm, unmoved);
      const cells = [
        came(drawn, before, told).toFixed(2).padStart(6),
        moved(rest, told, before).toFixed(2).padStart(11),
        moved(rest, drawn.to, drawn.from).toFixed(2).padStart(17),
      ];
      console.log(name.padEnd(8), (keepNorm ? "kept" : "free").padEnd(5), ...cells, palette.toFixed(1).padStart(8));
    }
    inversion.dispose();
  }
}

async function components(count: number): Promise<void> {
  const pictures = range(Number(values.pictures)).map((i) => draw(i, {}));
  using found = await componentsOf(model, pictures, count, { steps, solver });
  const { inversion, unmoved, before } = await reconstructed(others.map((i) => draw(i, {})));
  const drawn = await Promise.all(Object.values(factors).map(drawnWith));
  const all = names.map((_, k) => k);
  console.log("component", ...Object.keys(factors).map((name) => name.padStart(8)), "   moved  palette");
  for (const component of range(count)) {
    const { told, palette } = await along(inversion, found, component, true, unmoved);
    const cells = drawn.map((factor) => came(factor, before, told).toFixed(2).padStart(8));
    console.log(
      String(component + 1).padEnd(9),
      ...cells,
      moved(all, told, before).toFixed(2).padStart(8),
      palette.toFixed(1).padStart(8),
    );
  }
  inversion.dispose();
}

await (Number(values.components) > 0 ? components(Number(values.components)) : differences());
model.dispose();
device.destroy();
