import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, onTestFinished, test } from "vitest";
import type { Pixels } from "../src/api";
import { describeOrdering, type OrderedSet, testOrdering } from "../src/experiments/ordering";
import { gramDistance } from "../src/metrics/gram";
import { type FeatureWeights, halvedConv, portraitFeatures } from "../src/metrics/portrait-features";
import { cosine } from "../src/metrics/statistics";
import { openPortraitFeatures } from "../src/platform/portrait-features-node";
import { seeded } from "../src/random";
import { drawPortrait, mixFactors, sampleFactors } from "../weights/portraits/portrait";

const set = (name: string, fid: number, identities: number[]): OrderedSet => ({
  name,
  figures: { fid, gram: Number.NaN, identity: identities.reduce((a, b) => a + b) / identities.length },
  results: new Map(identities.map((identity, i) => [`${i}.png`, { identity }])),
});

describe("the hypothesis that sets get better in their order", () => {
  const sets = [set("replace", 30, [0.1, 0.5]), set("lerp", 20, [0.4, 0.3]), set("slerp", 25, [0.6, 0.7])];
  test("is reported as found, figure by figure and pair by pair", () => {
    const [fid, identity, ...more] = testOrdering(sets);
    expect(more).toEqual([]); // gram is no number
    expect(fid).toMatchObject({ figure: "fid", better: "lower", holds: false, found: ["replace", "slerp", "lerp"] });
    expect(identity).toMatchObject({ figure: "identity", better: "higher", holds: true });
    expect(identity!.pairs).toEqual([
      { better: 1, of: 2 },
      { better: 2, of: 2 },
    ]);
    expect(describeOrdering([fid!, identity!], ["replace", "lerp", "slerp"])).toEqual([
      "replace < lerp < slerp by fid (lower is better): does not hold, found replace < slerp < lerp",
      "replace < lerp < slerp by identity (higher is better): holds; lerp over replace in 1 of 2, slerp over lerp in 2 of 2",
    ]);
  });
  test("equal figures are no order", () => {
    expect(testOrdering([set("a", 1, [0.5]), set("b", 1, [0.5])]).map(({ holds }) => holds)).toEqual([false, false]);
  });
});

describe("portrait features", () => {
  test("a strided convolution by its definition", () => {
    const [channels, out, side] = [2, 3, 6];
    const x = { channels, plane: side * side, values: seeded(1, [channels, side, side]) };
    const [w, b] = [seeded(2, [out, channels, 3, 3]), seeded(3, [out])];
    const y = halvedConv(x, w, b, [out, channels, 3, 3]);
    const at = (c: number, row: number, column: number) =>
      row < 0 || column < 0 || row >= side || column >= side ? 0 : x.values[(c * side + row) * side + column]!;
    for (let i = 0; i < y.values.length; i++) {
      const [o, row, column] = [Math.floor(i / 9), Math.floor(i / 3) % 3, i % 3];
      let sum = b[o]!;
      for (let c = 0; c < channels; c++)
        for (let k = 0; k < 9; k++)
          sum += w[(o * channels + c) * 9 + k]! * at(c, 2 * row + Math.floor(k / 3) - 1, 2 * column + (k % 3) - 1);
      expect(y.values[i]).toBeCloseTo(Math.max(0, sum), 5);
    }
    expect(() => halvedConv(x, w, b, [out, 5, 3, 3])).toThrow(/\[3, 5, 3, 3\] does not follow 2 channels/);
  });

  const picture = (factors: ReturnType<typeof sampleFactors>): Pixels => ({
    data: drawPortrait(factors, 64),
    width: 64,
    height: 64,
  });

  test("the shipped network knows the content through another style, and the style through another content", {
    timeout: 60_000,
  }, async () => {
    const { fid, gram, identity } = await openPortraitFeatures();
    let nearer = 0;
    let closer = 0;
    const pairs = 24;
    for (let i = 0; i < pairs; i++) {
      const [a, b] = [sampleFactors(710_000_000 + 2 * i), sampleFactors(710_000_001 + 2 * i)];
      const pictures = [a, b, mixFactors(a, b)].map(picture);
      const [content, style, mixed] = (await identity.embed(pictures)).map(({ vector }) => vector);
      nearer += Number(cosine(mixed!, content!) > cosine(mixed!, style!));
      const layers = (await gram.embed(pictures)).map((embedding) => embedding.layers);
      closer += Number(gramDistance(layers[2]!, layers[1]!) < gramDistance(layers[2]!, layers[0]!));
    }
    expect(nearer / pairs).toBeGreaterThan(0.9);
    expect(closer / pairs).toBeGreaterThan(0.9);
    const [{ vector } = { vector: new Float32Array() }] = await fid.embed([picture(sampleFactors(1))]);
    expect(vector).toHaveLength(64);
  });

  test("pictures of another size, and files that are no feature network, are refused", async () => {
    const { identity } = await openPortraitFeatures();
    await expect(identity.embed([{ data: new Uint8Array(4), width: 1, height: 1 }])).rejects.toThrow(/64x64.*1x1/);
    expect(() => portraitFeatures(new Map() as FeatureWeights, 1)).toThrow(/has no hidden\.weight/);
    const folder = mkdtempSync(join(tmpdir(), "features-"));
    onTestFinished(() => rmSync(folder, { recursive: true }));
    writeFileSync(join(folder, "x"), "\x02\0\0\0\0\0\0\0{}");
    await expect(openPortraitFeatures(join(folder, "x"))).rejects.toThrow(/is no feature network/);
  });
});
