import { afterAll, beforeAll, describe, expect, test } from "vitest";
import {
  alignComponents,
  componentsOf,
  differenceOf,
  meanDifference,
  principalComponents,
} from "../src/experiments/directions";
import { Directions } from "../src/inject/directions";
import type { Inversion } from "../src/inject/inversion";
import type { Model } from "../src/inject/model";
import type { DirectionInput, InjectOptions } from "../src/inject/options";
import { seeded } from "../src/random";
import * as reference from "../src/reference";
import { type NetworkManifest, openNetwork, readManifest } from "./golden-runner/files";
import { testDevice } from "./support/device";

const dot = (a: ArrayLike<number>, b: ArrayLike<number>) => Array.from(a).reduce((sum, v, i) => sum + v * b[i]!, 0);

/** Rows spread by 3 along one axis and by 1 along another, around a mean. */
function spread(): { rows: Float32Array[]; axes: Float64Array[]; places: number[][] } {
  const [n, values] = [12, 40];
  const axes = [0, 1].map((k) => Float64Array.from({ length: values }, (_, i) => Number(i === 3 + 5 * k)));
  const places = [0, 1].map((k) => {
    const raw = Array.from({ length: n }, (_, r) => (k === 0 ? (r % 4) ** 2 : Math.floor(r / 4)));
    const mean = raw.reduce((a, b) => a + b, 0) / n;
    const deviation = Math.sqrt(raw.reduce((sum, v) => sum + (v - mean) ** 2, 0) / (n - 1));
    return raw.map((v) => ((v - mean) / deviation) * (k === 0 ? 3 : 1));
  });
  const rows = Array.from({ length: n }, (_, r) =>
    Float32Array.from(
      { length: values },
      (_, i) => 0.5 + places[0]![r]! * axes[0]![i]! + places[1]![r]! * axes[1]![i]!,
    ),
  );
  return { rows, axes, places };
}

test("principal components: axes times deviation, signs by skew, scores and shares of variance", () => {
  const { rows, axes, places } = spread();
  const { directions, scores, explained } = principalComponents(rows, 2);
  for (const [k, deviation] of [3, 1].entries()) {
    for (const [i, v] of directions[k]!.entries()) expect(Math.abs(v)).toBeCloseTo(deviation * axes[k]![i]!, 5);
    const sign = Math.sign(dot(directions[k]!, axes[k]!));
    for (const [r, score] of scores[k]!.entries()) expect(sign * score).toBeCloseTo(places[k]![r]! / deviation, 5);
  }
  expect(dot(directions[0]!, axes[0]!)).toBeGreaterThan(0); // its places 0, 1, 4, 9 are skewed to the right
  expect(explained[0]).toBeCloseTo(0.9, 5);
  expect(() => principalComponents(rows, 12)).toThrow("12 components of 12 pictures: expected at most 11");
  expect(() => principalComponents(Array(501).fill(rows[0]), 2)).toThrow(
    "501 pictures: principal components take at most 500",
  );
});

test("components keep their number and sign from one time step to the next", () => {
  const first = principalComponents(spread().rows, 2);
  const turned = {
    directions: [first.directions[1]!.map((v) => -v), first.directions[0]!],
    scores: [first.scores[1]!.map((v) => -v), first.scores[0]!],
    explained: [0.6, 0.4],
  };
  const aligned = alignComponents(first, turned);
  expect(aligned.directions).toEqual(first.directions);
  expect(aligned.explained).toEqual([0.4, 0.6]);
});

test("the difference of means", () => {
  expect([...meanDifference([Float32Array.of(1, 2), Float32Array.of(3, 4)], [Float32Array.of(1, 1)])]).toEqual([1, 2]);
});

describe("on the small trained network", () => {
  const STEPS = 6;
  const side = 32;
  const picture = (seed: number) => {
    const values = seeded(seed, [side, side, 4]).map((v) => 127.5 + 127.5 * Math.tanh(v));
    return { width: side, height: side, data: Uint8Array.from(values) };
  };
  const folder = new URL("./golden", import.meta.url).pathname;
  let model: Model;
  let pair: Inversion;
  let found: Directions;

  beforeAll(async () => {
    model = await openNetwork(folder, readManifest<NetworkManifest>(folder, "ddpm_tiny_trained"), await testDevice());
    pair = await model.invert([picture(1), picture(2)], { steps: STEPS });
    found = await componentsOf(model, [3, 4, 5, 6].map(picture), 2, { steps: STEPS });
  }, 300_000);
  afterAll(() => {
    pair?.dispose();
    found?.dispose();
  });

  const run = async (options: Partial<InjectOptions>) => {
    using result = await model.inject({ original: pair.select(1), steps: STEPS, tEdit: 300, ...options });
    return result.read();
  };
  const along = (scale: number, more: Partial<DirectionInput> = {}) =>
    run({ directions: [{ of: found, scale, ...more }] });

  test("a direction moves the picture both ways, the further the larger its scale; scale 0 is the plain run to the bit", async () => {
    const plain = await run({ content: pair.select(0), gamma: 0 });
    expect([...(await along(0))]).toEqual([...plain]);
    const off = (values: Float32Array) => Math.hypot(...values.map((v, i) => v - plain[i]!));
    const [one, two, back, other] = [await along(1), await along(3), await along(-1), await along(1, { component: 1 })];
    expect(off(one)).toBeGreaterThan(0.01);
    expect(off(two)).toBeGreaterThan(1.5 * off(one));
    const [forth, away] = [one, back].map((values) => values.map((v, i) => v - plain[i]!));
    expect(dot(forth!, away!)).toBeLessThan(0);
    expect([...other]).not.toEqual([...one]);
    expect([...(await along(1, { keepNorm: false }))]).not.toEqual([...one]);
  }, 100_000);

  test("beside a content, and inside a mask only", async () => {
    const asked = { content: pair.select(0), gamma: 0.4 };
    const both = await run({ ...asked, directions: [{ of: found, scale: 2 }] });
    const mask = { values: Array<number>(64).fill(0), width: 8, height: 8 };
    const nowhere = await run({ ...asked, directions: [{ of: found, scale: 2, mask }] });
    const without = await run(asked);
    expect([...both]).not.toEqual([...without]);
    expect([...nowhere]).toEqual([...without]);
  }, 100_000);

  test("a difference is what adding the content by hand is", async () => {
    using difference = await differenceOf(model, [picture(3)], [picture(4)], { steps: STEPS });
    expect(difference.count).toBe(1);
    using both = await model.invert([picture(3), picture(4)], { steps: STEPS });
    for (const t of difference.times) {
      const h = await both.readH(t);
      const [a, b] = [0, 1].map((n) => reference.sample(h, 2, n));
      const expected = a!.map((v, i) => v - b![i]!);
      const worst = Math.max(...(await difference.read(t)).map((v, i) => Math.abs(v - expected[i]!)));
      expect(worst).toBeLessThan(1e-4);
    }
  }, 100_000);

  test("saved and loaded it is the same; another model's, a damaged one, and what does not fit are refused", async () => {
    const bytes = await found.save();
    using loaded = await model.loadDirections(bytes);
    expect(loaded.info).toEqual(found.info);
    expect(await loaded.read(999)).toEqual(await found.read(999));
    await expect(Directions.load(model.device, bytes, "another", "pca")).rejects.toThrow(
      "pca: directions of another model",
    );
    const damaged = Uint8Array.from(bytes);
    damaged[damaged.length - 1]! ^= 1;
    await expect(model.loadDirections(damaged, "pca")).rejects.toThrow("pca: is damaged");
    await expect(model.loadDirections(await pair.save(), "pair")).rejects.toThrow("pair: holds no directions in h");
    await expect(along(1, { component: 2 })).rejects.toThrow("direction 2: these are 2, counted from 0");
    await expect(along(Number.NaN)).rejects.toThrow("scale NaN: expected a finite number");
    await expect(run({ directions: [{ of: found, scale: 1 }], tap: "mid.block_1" })).rejects.toThrow(
      'injection at "mid.block_1", but a direction is at "mid.block_2"; find it at that tap',
    );
    await expect(run({ directions: [{ of: found, scale: 1 }], faithful: true })).rejects.toThrow(
      "directions: the official program",
    );
    await expect(run({})).rejects.toThrow("no content to inject");
    await expect(componentsOf(model, [picture(1), picture(2)], 2, {})).rejects.toThrow(
      "2 components of 2 pictures: expected at most 1",
    );
  }, 100_000);
});
