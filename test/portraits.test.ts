import { describe, expect, test } from "vitest";
import { heldOut, skinOf } from "../weights/portraits/held-out";
import {
  geometryDistance,
  meanColourDistance,
  median,
  type Pixels,
  paletteDistance,
  psnr,
  roughness,
  share,
  towardContent,
} from "../weights/portraits/measures";
import {
  contentFactors,
  drawPortrait,
  type Factors,
  mixFactors,
  sampleFactors,
  styleFactors,
} from "../weights/portraits/portrait";
import { summarise } from "../weights/portraits/summary";

const picture = (f: Factors, size = 64): Pixels => ({ width: size, height: size, data: drawPortrait(f, size) });
const seeds = Array.from({ length: 48 }, (_, i) => 500_000_000 + 2 * i);

describe("portraits", () => {
  test("the same seed draws the same portrait, another seed another one", () => {
    expect(drawPortrait(sampleFactors(5))).toEqual(drawPortrait(sampleFactors(5)));
    expect(drawPortrait(sampleFactors(5))).not.toEqual(drawPortrait(sampleFactors(6)));
  });

  test("every factor is content or style, none both", () => {
    expect([...contentFactors, ...styleFactors].sort()).toEqual(Object.keys(sampleFactors(1)).sort());
    expect(new Set([...contentFactors, ...styleFactors]).size).toBe(contentFactors.length + styleFactors.length);
  });

  test("a mixture takes each factor from its side", () => {
    const [a, b] = [sampleFactors(1), sampleFactors(2)];
    const mixed = mixFactors(a, b);
    for (const name of contentFactors) expect(mixed[name]).toEqual(a[name]);
    for (const name of styleFactors) expect(mixed[name]).toEqual(b[name]);
  });

  test("a portrait at twice the size is the same portrait", () => {
    const small = drawPortrait({ ...sampleFactors(3), texture: "plain" }, 64);
    const large = drawPortrait({ ...sampleFactors(3), texture: "plain" }, 128);
    let sum = 0;
    for (let i = 0; i < 64 * 64; i++) {
      const [x, y] = [2 * (i % 64), 2 * Math.floor(i / 64)];
      const four = [0, 1].flatMap((dy) => [0, 1].map((dx) => large[((y + dy) * 128 + x + dx) * 4]!));
      sum += Math.abs(small[i * 4]! - four.reduce((a, b) => a + b) / 4);
    }
    expect(sum / (64 * 64)).toBeLessThan(2);
  });

  test("pixels use the range and are opaque", () => {
    const data = drawPortrait(sampleFactors(8));
    expect(data.length).toBe(64 * 64 * 4);
    expect(data.every((v, i) => i % 4 !== 3 || v === 255)).toBe(true);
    expect(Math.max(...data.filter((_, i) => i % 4 !== 3)) - Math.min(...data)).toBeGreaterThan(100);
  });
});

describe("measures, on drawings whose factors are known", { timeout: 60_000 }, () => {
  const cases = seeds.map((seed) => {
    const [content, original] = [sampleFactors(seed), sampleFactors(seed + 1)];
    return {
      content: picture(content),
      original: picture(original),
      mixed: picture(mixFactors(content, original)),
      opposite: picture(mixFactors(original, content)),
    };
  });

  test("geometry says whose content factors a drawing has", () => {
    const right = cases.flatMap(({ content, original, mixed, opposite }) => [
      towardContent(mixed, content, original) > 0.5,
      towardContent(opposite, content, original) < 0.5,
    ]);
    expect(share(right)).toBeGreaterThanOrEqual(0.97);
  });

  test("palette says whose style factors a drawing has", () => {
    const right = cases.flatMap(({ content, original, mixed, opposite }) => [
      paletteDistance(mixed, original) < paletteDistance(mixed, content),
      paletteDistance(opposite, content) < paletteDistance(opposite, original),
    ]);
    expect(share(right)).toBeGreaterThanOrEqual(0.95);
  });

  test("geometry grows step by step from one portrait's pose to another's", () => {
    const rises = seeds.slice(0, 8).map((seed) => {
      const [to, from] = [sampleFactors(seed), sampleFactors(seed + 1)];
      const moved = { ...from, yaw: from.yaw > 0 ? -0.45 : 0.45, smile: to.smile, headWidth: to.headWidth };
      const at = [0, 0.25, 0.5, 0.75, 1].map((k) => {
        const between = { ...from };
        for (const name of ["yaw", "smile", "headWidth"] as const) {
          Object.assign(between, { [name]: from[name] + k * (moved[name] - from[name]) });
        }
        return towardContent(picture(between), picture(moved), picture(from));
      });
      return at.every((v, i) => i === 0 || v > at[i - 1]!);
    });
    expect(share(rises)).toBe(1);
  });

  test("psnr of known errors", () => {
    const a: Pixels = { width: 1, height: 1, data: new Uint8Array([10, 20, 30, 255]) };
    const b: Pixels = { width: 1, height: 1, data: new Uint8Array([11, 19, 31, 0]) };
    expect(psnr(a, b)).toBeCloseTo(48.13, 2);
    expect(psnr(a, a)).toBe(Infinity);
  });

  test("a picture's own pixels, shuffled, keep its palette and lose its geometry", () => {
    const a = picture(sampleFactors(1));
    const turned: Pixels = { ...a, data: new Uint8Array(new Uint32Array(a.data.slice().buffer).reverse().buffer) };
    expect(paletteDistance(a, turned)).toBe(0);
    expect(geometryDistance(a, turned)).toBeGreaterThan(0.5);
  });

  test("pictures of different sizes are refused with both sizes", () => {
    const a = picture(sampleFactors(1));
    expect(() => psnr(a, picture(sampleFactors(1), 32))).toThrow("64x64 and 32x32");
  });

  test("roughness: none of slopes, twice the step of a checkerboard, and little of drawings", () => {
    const drawn = (value: (x: number, y: number) => number): Pixels => {
      const data = new Uint8ClampedArray(4 * 16 * 16);
      for (let i = 0; i < data.length; i++) data[i] = value((i >> 2) % 16, i >> 6);
      return { width: 16, height: 16, data };
    };
    expect(roughness(drawn((x, y) => 3 * x + 5 * y))).toBe(0);
    expect(roughness(drawn((x, y) => 100 + 8 * ((x + y) & 1)))).toBe(16);
    expect(median(seeds.slice(0, 8).map((s) => roughness(picture(sampleFactors(s)))))).toBeLessThan(8);
  });

  test("skin is where its colour shows, and its distance is that of its colour", () => {
    for (const i of [0, 1, 2, 3]) {
      const skin = skinOf(i, 64);
      expect(share(skin)).toBeGreaterThan(0.05);
      expect(share(skin)).toBeLessThan(0.5);
      const [drawn, paler] = [heldOut(i, 64), heldOut(i, 64, { skin: [0.95, 0.9, 0.85] })];
      expect(meanColourDistance(drawn, drawn, skin)).toBe(0);
      expect(meanColourDistance(drawn, paler, skin)).toBeGreaterThan(
        5 *
          meanColourDistance(
            drawn,
            paler,
            skin.map((inside) => !inside),
          ),
      );
    }
    expect(meanColourDistance(heldOut(0, 64), heldOut(1, 64), [])).toBe(0);
  });

  test("median of odd and even counts", () => {
    expect(median([3, 1, 2])).toBe(2);
    expect(median([4, 1, 2, 3])).toBe(2.5);
  });

  test("a summary of perfect injections holds, of none does not", () => {
    const everywhere = Array.from({ length: 64 * 64 }, () => true);
    const pairs = cases.slice(0, 8).map(({ content, original, mixed }) => ({
      content,
      original,
      reconstruction: original,
      results: [mixed, mixed],
      skin: everywhere,
    }));
    const perfect = summarise([0.3, 0.6], pairs);
    expect(perfect.paletteKept).toBeGreaterThan(0.8);
    expect(perfect.gammas[0]!.towardContent.mean).toBeGreaterThan(0.6);
    expect(perfect.geometryMonotone).toBe(false); // the second gamma moved no further than the first
    const none = summarise(
      [0.3],
      pairs.map((pair) => ({ ...pair, results: [pair.original] })),
    );
    expect(none.paletteKept).toBe(1);
    expect(none.gammas[0]!.roughness).toBe(1);
    expect(none.gammas[0]!.skin).toBe(0);
    expect(none.gammas[0]!.towardContent.mean).toBe(0);
    expect(none.geometryMonotone).toBe(false);
  });
});
