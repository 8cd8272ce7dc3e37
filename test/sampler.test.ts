import { describe, expect, test } from "vitest";
import { f32 } from "../src/kernels/dispatch";
import { calibrate } from "../src/kernels/step/calibrate";
import { ddimStep } from "../src/kernels/step/ddim";
import { moments } from "../src/kernels/step/moments";
import { predictX0 } from "../src/kernels/step/predict-x0";
import * as reference from "../src/reference";
import { expectClose, seeded } from "./support/close";
import { runDispatches } from "./support/device";
import { epsilonScalars, stepRows } from "./support/rows";

const close = { rtol: 1e-5, atol: 1e-5 };

const scalars = (alpha: number, next: number, sigma: number): reference.Scalars => ({
  SQRT_ALPHA: Math.sqrt(alpha),
  SQRT_ONE_MINUS_ALPHA: Math.sqrt(1 - alpha),
  SQRT_ALPHA_NEXT: Math.sqrt(next),
  DIRECTION: Math.sqrt(1 - next - sigma * sigma),
  SIGMA: sigma,
  OMEGA: 0.3,
  RESCALE: 1,
  ...epsilonScalars(alpha),
});

/** Batch of two: one sample with fresh noise, one without. eps has `extra` channels that nobody may read. */
function batch(shape: readonly [number, number, number, number], epsSamples: number, extra: number) {
  const [n, c, h, w] = shape;
  const all = Array.from({ length: n }, (_, i) => scalars(0.3 + 0.2 * i, 0.5 + 0.2 * i, i % 2 ? 0 : 0.2));
  const { steps, data } = stepRows(...all);
  const [x, eps] = [f32("x", ...shape), f32("eps", epsSamples, c + extra, h, w)];
  const e = seeded(2, eps.shape).map((v, i) => (i % ((c + extra) * h * w) < c * h * w ? v : Number.NaN));
  const inputs = new Map([
    [steps, data],
    [x, seeded(1, shape)],
    [eps, e],
  ]);
  const xs = (i: number) => reference.sample(inputs.get(x)!, n, i);
  const es = (j: number) => reference.sample(e, epsSamples, j).slice(0, c * h * w);
  return { all, steps, x, eps, inputs, xs, es };
}

for (const { shape, extra } of [
  { shape: [2, 3, 16, 16], extra: 0 },
  { shape: [2, 3, 5, 7], extra: 3 }, // ADM's eps has the variance behind it
  { shape: [1, 3, 40, 40], extra: 3 },
] as const)
  describe(`[${shape}] and ${extra} more channels of eps`, () => {
    const [n, c, h, w] = shape;

    test("predictX0 of two halves", async () => {
      const { all, steps, x, eps, inputs, xs, es } = batch(shape, 2 * n, extra);
      const y = f32("y", 2 * n, c, h, w);
      const [got] = await runDispatches(predictX0({ steps, x, eps, y }), inputs, [y]);
      const expected = Array.from({ length: 2 * n }, (_, j) => [...reference.predictX0(all[j % n]!, xs(j), es(j))]);
      expectClose(got!, expected.flat(), y.shape, close);
    });

    for (const asymmetric of [false, true])
      test(`ddimStep, asymmetric ${asymmetric}`, async () => {
        const { all, steps, x, eps, inputs, xs, es } = batch(shape, asymmetric ? 2 * n : n, extra);
        const [noise, next, x0] = [f32("noise", ...shape), f32("next", ...shape), f32("x0", ...shape)];
        // the noise of samples with SIGMA = 0 may be anything
        const z = seeded(3, shape).map((v, i) => (all[Math.floor(i / (c * h * w))]!.SIGMA ? v : Number.NaN));
        inputs.set(noise, z);
        const dispatches = ddimStep({ steps, x, eps, noise, next, x0 }, { asymmetric });
        const [got, clean] = await runDispatches(dispatches, inputs, [next, x0]);
        const injected = (i: number) => es(asymmetric ? n + i : i);
        const samples = Array.from({ length: n }, (_, i) => i);
        const zs = z.map((v) => (Number.isNaN(v) ? 0 : v));
        const expected = samples.flatMap((i) => [
          ...reference.ddim(all[i]!, xs(i), es(i), injected(i), reference.sample(zs, n, i)),
        ]);
        expectClose(got!, expected, shape, close);
        expectClose(
          clean!,
          samples.flatMap((i) => [...reference.predictX0(all[i]!, xs(i), injected(i))]),
          shape,
          close,
        );
      });

    test("ddimStep with what the step before left, read in rows with a factor only", async () => {
      const { all, steps, x, eps, inputs, xs, es } = batch(shape, 2 * n, extra);
      const rows = all.map((row, i) => ({ ...row, SIGMA: 0, BEFORE: i % 2 ? 0 : -0.7 }));
      inputs.set(steps, stepRows(...rows).data);
      const [before, next, x0] = [f32("before", ...shape), f32("next", ...shape), f32("x0", ...shape)];
      const b = seeded(4, shape).map((v, i) => (rows[Math.floor(i / (c * h * w))]!.BEFORE ? v : Number.NaN));
      inputs.set(before, b);
      const dispatches = ddimStep({ steps, x, eps, noise: x, before, next, x0 }, { asymmetric: true });
      const [got] = await runDispatches(dispatches, inputs, [next]);
      const expected = rows.flatMap((row, i) => [
        ...reference.ddim(row, xs(i), es(i), es(n + i), xs(i), reference.sample(b, n, i)),
      ]);
      expectClose(got!, expected, shape, close);
    });

    for (const rescale of [1, 0])
      test(`calibrate, rescale ${rescale}`, async () => {
        const { all, steps, x, eps, inputs, xs, es } = batch(shape, 2 * n, extra);
        const rows = all.map((row) => ({ ...row, RESCALE: rescale }));
        inputs.set(steps, stepRows(...rows).data);
        const [p, stats, y] = [f32("p", 2 * n, c, h, w), f32("moments", 2 * n, 2), f32("y", ...shape)];
        const dispatches = [
          ...predictX0({ steps, x, eps, y: p }),
          ...moments({ x: p, y: stats }),
          ...calibrate({ steps, x, eps, p, moments: stats, y }),
        ];
        const [got] = await runDispatches(dispatches, inputs, [y]);
        const expected = rows.flatMap((row, i) => [...reference.calibrate(row, xs(i), es(i), es(n + i))]);
        expectClose(got!, expected, shape, close);

        // Regions that overlap, hard and soft; then one that is nowhere, which must leave the row's omega to the bit.
        const omegas = [0.1, 0.9];
        const plane = h * w;
        const soft = seeded(9, [2, h, w]).map((v) => Math.min(1, Math.max(0, v + 0.3)));
        const [masks, values] = [f32("masks", 2, h, w), f32("omegas", 2)];
        const regional = (data: Float32Array<ArrayBuffer>) =>
          runDispatches(
            [
              ...dispatches.slice(0, -1),
              ...calibrate({ steps, x, eps, p, moments: stats, regions: { masks, omegas: values }, y }),
            ],
            new Map([...inputs, [masks, data], [values, Float32Array.from(omegas)]]),
            [y],
          );
        const [local] = await regional(soft);
        const regions = omegas.map((omega, r) => ({ omega, mask: soft.subarray(r * plane, (r + 1) * plane) }));
        const wanted = rows.flatMap((row, i) => [...reference.calibrate(row, xs(i), es(i), es(n + i), regions)]);
        expectClose(local!, wanted, shape, close);
        const [nowhere] = await regional(new Float32Array(2 * plane));
        expect([...nowhere!]).toEqual([...got!]);
      });
  });

test("calibrate leaves a picture without contrast as it is", async () => {
  const shape = [1, 3, 4, 4] as const;
  const { steps, data } = stepRows({ ...scalars(0.5, 0.6, 0) });
  const [x, eps, p, stats, y] = [
    f32("x", ...shape),
    f32("eps", 2, 3, 4, 4),
    f32("p", 2, 3, 4, 4),
    f32("moments", 2, 2),
    f32("y", ...shape),
  ];
  const flat = new Float32Array(48).fill(0.25);
  const inputs = new Map([
    [steps, data],
    [x, flat],
    [eps, new Float32Array(96)],
    [p, new Float32Array(96).fill(0.5)],
  ]);
  const run = [...moments({ x: p, y: stats }), ...calibrate({ steps, x, eps, p, moments: stats, y })];
  const [got] = await runDispatches(run, inputs, [y]);
  expect([...got!]).toEqual([...flat]);
});

for (const { shape, mean, std } of [
  { shape: [2, 3, 64, 64], mean: 0, std: 1 },
  { shape: [2, 3, 17, 17], mean: -1000, std: 0.1 },
  { shape: [3, 1, 1, 2], mean: 1, std: 1 },
  { shape: [1, 3, 7, 7], mean: 50, std: 0.5 },
] as const)
  test(`moments [${shape}], mean ${mean}, std ${std}`, async () => {
    const [x, y] = [f32("x", ...shape), f32("y", shape[0], 2)];
    const data = seeded(1, shape).map((v) => mean + std * v);
    const [got] = await runDispatches(moments({ x, y }), new Map([[x, data]]), [y]);
    const expected = Array.from({ length: shape[0] }, (_, i) => reference.moments(reference.sample(data, shape[0], i)));
    expectClose(got!, expected.flat(), y.shape, { rtol: 2e-6, atol: 1e-7 });
  });

test("shapes that do not fit are refused", () => {
  const { steps } = stepRows({}, {});
  const [x, next] = [f32("x", 2, 3, 4, 4), f32("next", 2, 3, 4, 4)];
  const run = (eps: number[], asymmetric = false) =>
    ddimStep({ steps, x, eps: f32("eps", ...eps), next }, { asymmetric });
  expect(() => run([2, 2, 4, 4])).toThrow("eps: 2 channels, x has 3");
  expect(() => run([2, 3, 4, 5])).toThrow("eps: shape [2,3,4,5], expected [2,3,4,4]");
  expect(() => run([2, 3, 4, 4], true)).toThrow("eps: shape [2,3,4,4], expected [4,3,4,4]");
  expect(() => ddimStep({ steps: stepRows({}).steps, x, eps: x, next }, { asymmetric: false })).toThrow(
    "steps: shape [1,36], expected one row of 36 for each of 2 samples",
  );
});
