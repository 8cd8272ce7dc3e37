import { expect, test } from "vitest";
import { convVariants } from "../src/kernels/conv/tuner-variants";
import { type ConvShape, type ConvVariant, outputSides } from "../src/kernels/conv/variant";
import { choose } from "../src/kernels/conv/variants";
import { heldCost } from "../src/kernels/product/stationary";
import type { Target } from "../src/kernels/target";
import { allShaders } from "../src/wgsl/tuner-shaders";
import { lowerings, networkConfigs, targets } from "./support/lowerings";

/** Every network, lowered for every target. */
const all = Object.entries(await networkConfigs()).flatMap(([network, config]) =>
  Object.entries(targets).map(([name, target]) => ({ network, name, target, lowered: lowerings(config, target) })),
);

/** What was measured, as conditions: an argmin over estimated times must agree on every convolution of every network. */
function measured(s: ConvShape, t: Target): string {
  const gpu = t.adapterClass === "gpu";
  const channels = s.c1 + s.c2;
  const [oh, ow] = outputSides(s);
  const tiles = (m: number) => Math.ceil(oh / m) * Math.ceil(ow / m);
  if (s.kernel === 1) return gpu ? "tile" : t.subgroups ? "stationary" : "direct";
  const rounds = t.weights === "f32" || (t.precision === "fast" && (gpu || !t.subgroups)); // once transformed
  const transforms = rounds && channels >= 16 * s.stride;
  const four = t.precision === "fast" && s.stride === 1;
  const named = (m: number, product: string) => `F(${m},3)${s.stride === 2 ? " stride 2" : ""} ${product}`;
  if (gpu && channels >= 16) {
    if (!transforms || oh * ow < 64) return "tile";
    return named(four && oh * ow >= 1024 ? 4 : 2, "tile");
  }
  const subgroups = t.subgroups && !gpu;
  if (subgroups && s.stride === 1 && s.oc <= 8) return "to few";
  if (subgroups && s.stride === 1 && channels <= 4) return "from few";
  if (!gpu && transforms && tiles(2) >= 4) {
    const product = !subgroups ? "any" : s.oc >= 24 ? "stationary" : "quad";
    const [of4, of2] = s.upsample && t.weights === "f32" ? [25, 9] : [36, 16];
    const large = product === "stationary" ? of4 * heldCost(1, tiles(4)) < of2 * heldCost(1, tiles(2)) : tiles(4) >= 4;
    return named(four && large ? 4 : 2, product);
  }
  return subgroups ? "direct quad" : "direct";
}

for (const [name, target] of Object.entries(targets))
  test(`the variant of the lowest estimated time is the one that was measured best: ${name}`, () => {
    for (const { network, lowered } of all.filter((of) => of.name === name))
      for (const { shape, weights } of lowered.flatMap(({ convs }) => convs))
        expect(choose(shape, { ...target, weights }).name, `${network} ${JSON.stringify(shape)}`).toBe(
          measured(shape, target),
        );
  });

/** Variants that no network gets on any target, each with the reason to keep it. Tiles of a given size and subgroup matrices
 *  are for the tuner. */
const fallbacks: Readonly<Record<string, string>> = {
  "F(4,3) quad": "9 to 23 output channels",
  "F(2,3) quad": "9 to 23 output channels, in exact precision or on small planes",
  "F(2,3) any": "exact precision, and planes of 4x4, on an adapter without subgroups",
  "F(2,3) stride 2 quad": "fewer output channels than are worth a tile held",
};

/** Shaders that no network gets on any target, each with the reason to keep it. */
const unusual: Readonly<Record<string, string>> = {
  "conv/winograd_filter": "filters, while a large network is loaded",
  "conv/matrix": "see the variant",
  "conv/matrix_patch": "see the variant",
  "conv/tile_half": "see the variant",
  "attention/context": "networks of denoising-diffusion-pytorch",
  "attention/keys": "networks of denoising-diffusion-pytorch",
  "attention/merge": "networks of denoising-diffusion-pytorch",
  "attention/queries": "networks of denoising-diffusion-pytorch",
  "attention/remember": "networks of denoising-diffusion-pytorch",
  "conv/any": "networks of denoising-diffusion-pytorch",
  "norm/channels": "networks of denoising-diffusion-pytorch",
  "norm/channels_tile": "networks of denoising-diffusion-pytorch",
  "pointwise/space_to_depth": "networks of denoising-diffusion-pytorch",
  "product/quad": "convolutions to 9 to 23 channels, and attention with few channels",
  "step/retrace": "inversion by BDIA",
  "pointwise/add": "embeddings that are added, and classes",
  "pointwise/affine": "networks that shift what they read",
  "pointwise/resample": "pictures, before a run",
  "pointwise/to_rgba8": "pictures, after a run",
};

test("every variant is chosen for some network on some target, or is a fallback with a reason", () => {
  const reached = new Set<ConvVariant>();
  const used = new Set<string>();
  for (const { target, lowered } of all)
    for (const { convs, nodes } of lowered) {
      for (const { shape, weights } of convs) reached.add(choose(shape, { ...target, weights }));
      for (const { dispatches } of nodes) for (const { shader } of dispatches) used.add(shader);
    }
  const forTuner = (name: string) => /\d+x\d+(x\d+)?$/.test(name);
  const missed = convVariants.filter((v) => !reached.has(v) && !forTuner(v.name)).map(({ name }) => name);
  expect(missed).toEqual(Object.keys(fallbacks));
  const unused = Object.keys(allShaders).filter((name) => !used.has(name));
  expect(unused.filter((name) => !(name in unusual))).toEqual([]);
  expect(Object.keys(unusual).filter((name) => used.has(name))).toEqual([]);
});

test("names are unique, and every shape has a variant on every target", () => {
  expect(new Set(convVariants.map(({ name }) => name)).size).toBe(convVariants.length);
  for (const kernel of [1, 3] as const)
    for (const stride of [1, 2] as const)
      for (const side of [1, 2, 3, 5, 8, 32])
        for (const c of [1, 3, 16, 33])
          for (const target of Object.values(targets)) {
            const shape = { kernel, n: 1, c1: c, c2: 0, oc: c, h: side, w: side, stride, upsample: false };
            expect(choose(shape, target).runs(shape, target)).toBe(true);
          }
});
