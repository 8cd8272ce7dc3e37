import { describe, expect, test } from "vitest";
import type { MaskOption, Pixels, Placement, Square } from "../src/api";
import { readBuffer } from "../src/gpu/buffers";
import { type PlacedPixels, placedPixels, placeImages, placeMasks, sourceOf, toPixels } from "../src/inject/images";
import { pasteBack } from "../src/inject/paste";
import { alignEyes, centreSquare, squareMatrix, squareOf } from "../src/inject/placement";
import { seeded } from "../src/random";
import { expectClose } from "./support/close";
import { testDevice } from "./support/device";

type Point = readonly [x: number, y: number];
/** Turned clockwise (y points down) by degrees about the origin, scaled, then shifted. */
type Move = { readonly degrees: number; readonly scale: number; readonly by: Point };

const moved = ({ degrees, scale, by }: Move, [x, y]: Point): Point => {
  const [c, s] = [Math.cos((degrees * Math.PI) / 180), Math.sin((degrees * Math.PI) / 180)];
  return [scale * (c * x - s * y) + by[0], scale * (s * x + c * y) + by[1]];
};
const back = ({ degrees, scale, by }: Move, [x, y]: Point): Point =>
  moved({ degrees: -degrees, scale: 1 / scale, by: [0, 0] }, [x - by[0], y - by[1]]);

/** A scene without an edge, of three colours. */
const scene = ([x, y]: Point): readonly number[] =>
  [0, 1, 2].map((c) => 127 + 60 * Math.sin(x / (17 + 3 * c) + c) + 50 * Math.cos(y / (21 - 2 * c) - c));

/** The scene as a camera sees it that was moved. */
function photo(width: number, height: number, move: Move): Pixels {
  const data = new Uint8ClampedArray(4 * width * height);
  for (let j = 0; j < height; j++)
    for (let i = 0; i < width; i++) data.set([...scene(back(move, [i + 0.5, j + 0.5])), 255], 4 * (j * width + i));
  return { data, width, height };
}
const still: Move = { degrees: 0, scale: 1, by: [0, 0] };

async function placed(pixels: Pixels, placement: Placement | undefined, side: number): Promise<Float32Array> {
  const device = await testDevice();
  const x = device.gpu.createBuffer({ size: 12 * side * side, usage: 0x80 | 0x4 | 0x8 });
  await placeImages(
    device,
    [await placedPixels({ image: pixels, placement }, async () => pixels)],
    { channels: 3, height: side, width: side },
    x,
  );
  const values = new Float32Array(await readBuffer(device, x));
  x.destroy();
  return values;
}
const shape = [1, 3, 48, 48];
const levels = (n: number) => ({ rtol: 0, atol: (2 * n) / 255 + 1e-6 });

describe("the placed squares of turned, scaled and shifted versions of one picture agree", () => {
  const square: Square = { x: 110, y: 95, size: 96 };
  const whole = photo(220, 190, still);
  const moves: Move[] = [
    { degrees: 0, scale: 1, by: [13, -9] },
    { degrees: 25, scale: 1, by: [60, -20] },
    { degrees: -70, scale: 1, by: [0, 190] },
    { degrees: 180, scale: 1, by: [240, 210] },
    { degrees: 8, scale: 1.7, by: [20, -12] },
    { degrees: -15, scale: 0.7, by: [30, 50] },
  ];
  test.each(moves)("by square: %o", async (move) => {
    const other = photo(360, 320, move);
    const [x, y] = moved(move, [square.x, square.y]);
    const size = square.size * move.scale;
    const there = await placed(other, { x, y, size, degrees: move.degrees }, 48);
    expectClose(there, await placed(whole, square, 48), shape, levels(2.5));
  });

  test.each(moves.slice(1, 3))("by eyes and mouth: %o", async (move) => {
    const [a, b, m] = [
      [92, 80],
      [127, 78],
      [111, 120],
    ] as const;
    const [[x1, y1], [x2, y2]] = [moved(move, a), moved(move, b)];
    const mouth = moved(move, m);
    const here = await placed(whole, { eyes: [...a, ...b], mouth: m }, 48);
    const there = await placed(photo(360, 320, move), { eyes: [x1, y1, x2, y2], mouth }, 48);
    expectClose(there, here, shape, levels(2.5));
    const swapped = await placed(photo(360, 320, move), { eyes: [x2, y2, x1, y1], mouth }, 48);
    expect(swapped).toEqual(there);
  });
});

test("the centred square, given outright, is the default to the bit", async () => {
  for (const [width, height] of [
    [60, 47],
    [47, 60],
    [51, 51],
  ] as const) {
    const noise = Uint8ClampedArray.from(seeded(5, [4 * width * height]), (v) => 128 * (v + 1));
    const pixels: Pixels = { data: noise, width, height };
    const centre = centreSquare(width, height);
    expect(await placed(pixels, centre, 32)).toEqual(await placed(pixels, undefined, 32));
    expect(sourceOf({ pixels, square: centre })).toEqual({ width, height });
  }
});

test("eyes are aligned by the formula of FFHQ's own script", () => {
  // download_ffhq.py, recreate_aligned_images; its quad runs from the top left corner counter-clockwise.
  const ffhq = (l: Point, r: Point, m: Point) => {
    const eye = [(l[0] + r[0]) / 2, (l[1] + r[1]) / 2] as const;
    const [ee, em] = [
      [r[0] - l[0], r[1] - l[1]],
      [m[0] - eye[0], m[1] - eye[1]],
    ] as [number[], number[]];
    let x = [ee[0]! + em[1]!, ee[1]! - em[0]!];
    const long = Math.max(Math.hypot(...ee) * 2, Math.hypot(...em) * 1.8) / Math.hypot(...x);
    x = x.map((v) => v * long);
    const y = [-x[1]!, x[0]!];
    const c = [eye[0] + em[0]! * 0.1, eye[1] + em[1]! * 0.1];
    return [
      [-1, -1],
      [-1, 1],
      [1, 1],
      [1, -1],
    ].map(([i, j]) => [0, 1].map((k) => c[k]! + i! * x[k]! + j! * y[k]!));
  };
  for (const [l, r, m] of [
    [
      [100, 120],
      [160, 118],
      [131, 190],
    ],
    [
      [100, 120],
      [150, 150],
      [100, 175],
    ],
    [
      [50, 60],
      [48, 100],
      [20, 81],
    ],
  ] as const) {
    const square = alignEyes({ eyes: [...l, ...r], mouth: m });
    const matrix = squareMatrix(square, { width: 1, height: 1 });
    const corners = [
      [0, 0],
      [0, 1],
      [1, 1],
      [1, 0],
    ].map(([u, v]) => [0, 1].map((k) => matrix[k]! * u! + matrix[4 + k]! * v! + matrix[8 + k]!));
    expectClose(corners.flat(), ffhq(l, r, m).flat(), [8], { rtol: 0, atol: 1e-3 });
  }
});

test("eyes alone put the face where FFHQ's mean face is", () => {
  // FFHQ's template at 512 pixels: eyes at (193, 240) and (319, 240).
  const { x, y, size, degrees } = alignEyes({ eyes: [193, 240, 319, 240] });
  expect([x, degrees]).toEqual([256, 0]);
  expect(size).toBeCloseTo(504, 0);
  expect(Math.abs(y - 256)).toBeLessThan(4);
  expect(alignEyes({ eyes: [319, 240, 193, 240] })).toEqual(alignEyes({ eyes: [193, 240, 319, 240] }));
  expect(alignEyes({ eyes: [0, 0, 10, 10] }).degrees).toBeCloseTo(45);
});

test.each([
  [{ eyes: [3, 4, 3, 4] }, /eyes 3,4,3,4: expected two places that differ/],
  [{ x: 5, y: 5, size: 0 }, /size 0; expected more than 0/],
  [{ x: Number.NaN, y: 5, size: 4 }, /expected finite numbers/],
  [{ x: 500, y: 5, size: 4 }, /the square at 500,5 of size 4 is outside the 100x80 picture/],
] as const)("refuses %o", (placement, message) => {
  expect(() => squareOf(placement as Placement, 100, 80)).toThrow(message);
});

test("a tensor takes no placement", async () => {
  const tensor = { tensor: new Float32Array(12) };
  const input = { image: tensor, placement: { x: 1, y: 1, size: 2 } };
  await expect(placedPixels(input, async () => tensor)).rejects.toThrow(/model's square already/);
});

test("a mask of the picture's size is placed as the picture was; another square one covers the model's square", async () => {
  const device = await testDevice();
  const [width, height, side] = [64, 64, 8];
  const square: Square = { x: 20, y: 40, size: 24, degrees: 20 };
  const values = Float32Array.from({ length: width * height }, (_, i) => (i % width) / width);
  const data = Uint8ClampedArray.from({ length: 4 * width * height }, (_, i) => Math.round(values[i >> 2]! * 255));
  const source = { width, height, square };
  const read = async (mask: MaskOption) => {
    const buffer = device.gpu.createBuffer({ size: 4 * side * side, usage: 0x80 | 0x8 | 0x4 });
    await placeMasks(device, [mask], { height: side, width: side }, buffer, source);
    return new Float32Array(await readBuffer(device, buffer));
  };
  const red = (await placed({ data, width, height }, square, side)).subarray(0, side * side);
  const followed = await read({ values, width, height });
  expectClose(
    followed,
    red.map((v) => (v + 1) / 2),
    [side, side],
    { rtol: 0, atol: 1 / 255 },
  );
  const covering = await read({ values: [1, 0, 1, 0], width: 2, height: 2 });
  expect([covering[0], covering[7], covering[63]]).toEqual([1, 0, 0]);
});

describe("pasteBack", () => {
  const square: Square = { x: 120, y: 90, size: 100, degrees: 30 };
  const whole = photo(240, 200, still);
  const at = ({ data, width }: Pixels, x: number, y: number) => [
    ...data.subarray(4 * (y * width + x), 4 * (y * width + x) + 3),
  ];
  const flat = (side: number, colour: readonly number[]): Pixels => ({
    data: Uint8ClampedArray.from({ length: 4 * side * side }, (_, i) => [...colour, 255][i % 4]!),
    width: side,
    height: side,
  });
  /** Distance from the square's nearest edge, in units of its side; negative outside. */
  const inside = (x: number, y: number) => {
    const [u, v] = back({ degrees: square.degrees!, scale: square.size, by: [square.x, square.y] }, [x + 0.5, y + 0.5]);
    return 0.5 - Math.max(Math.abs(u), Math.abs(v));
  };

  test("what the model saw goes back where it came from", async () => {
    const values = await placed(whole, square, 100);
    const data = new Uint8ClampedArray(40_000).fill(255);
    for (let i = 0; i < 30_000; i++) data[4 * (i % 10_000) + Math.floor(i / 10_000)] = (values[i]! + 1) * 127.5;
    const pasted = await pasteBack(await testDevice(), whole, { data, width: 100, height: 100 }, { placement: square });
    expectClose(pasted.data, whole.data, [200, 240, 4], { rtol: 0, atol: 4 });
  });

  test("covers the square, fades at its edge, and touches nothing else", async () => {
    const colour = [250, 10, 120];
    const pasted = await pasteBack(await testDevice(), whole, flat(16, colour), { placement: square, feather: 0.2 });
    const seen = { outside: 0, edge: 0, centre: 0 };
    const wrong: string[] = [];
    for (let y = 0; y < 200; y++)
      for (let x = 0; x < 240; x++) {
        const depth = inside(x, y);
        const [now, before] = [at(pasted, x, y), at(whole, x, y)];
        const between = now.every((v, k) => (v - before[k]!) * (v - colour[k]!) <= 0);
        if (depth < -0.001 ? `${now}` !== `${before}` : depth > 0.201 ? `${now}` !== `${colour}` : !between)
          wrong.push(`${x},${y}: ${now} from ${before}`);
        seen[depth < 0 ? "outside" : depth > 0.2 ? "centre" : "edge"]++;
      }
    expect(wrong).toEqual([]);
    expect(Math.min(...Object.values(seen))).toBeGreaterThan(1000);
    expect(whole).toEqual(photo(240, 200, still));
  });

  test("in bands, and with a square that reaches beyond the photo", async () => {
    const [width, height] = [2100, 1500];
    const data = new Uint8ClampedArray(4 * width * height).fill(255);
    const options = { placement: { x: 1000, y: 800, size: 2400 }, feather: 0 };
    const pasted = await pasteBack(await testDevice(), { data, width, height }, flat(8, [1, 2, 3]), options);
    for (const [x, y] of [
      [0, 0],
      [2099, 0],
      [1000, 700],
      [3, 1332],
      [2099, 1499],
    ] as const)
      expect(at(pasted, x, y)).toEqual([1, 2, 3]);
  });

  test("refuses a picture that is not square, and a feather out of range", async () => {
    const device = await testDevice();
    await expect(pasteBack(device, whole, whole)).rejects.toThrow(/240x200; expected a square/);
    await expect(pasteBack(device, whole, flat(4, [0, 0, 0]), { feather: 0.7 })).rejects.toThrow(/feather 0.7/);
  });
});

test("an inversion remembers a placement", () => {
  const pixels: Pixels = { data: new Uint8Array(4 * 12), width: 4, height: 3 };
  const square = { x: 2, y: 1, size: 2, degrees: 10 };
  expect(sourceOf({ pixels, square } satisfies PlacedPixels)).toEqual({ width: 4, height: 3, square });
  expect(sourceOf({ pixels: { tensor: new Float32Array(3) } })).toBeUndefined();
});

describe("models whose pictures are not square, or grey", () => {
  const shape = { channels: 1, height: 6, width: 4 };
  /** Red rises from the left, in 8-bit levels. */
  const ramp = (width: number, height: number): Pixels => {
    const data = new Uint8ClampedArray(4 * width * height);
    for (let i = 0; i < width * height; i++) data.set([i % width, 10, 200, 255], 4 * i);
    return { data, width, height };
  };
  const place = async (pixels: Pixels, placement?: Placement) => {
    const device = await testDevice();
    const x = device.gpu.createBuffer({ size: 4 * 24, usage: 0x80 | 0x4 | 0x8 });
    await placeImages(device, [await placedPixels({ image: pixels, placement }, async () => pixels, shape)], shape, x);
    return { device, x, values: new Float32Array(await readBuffer(device, x)) };
  };
  test("the largest middle part of the model's aspect is seen, as luminance", async () => {
    for (const [width, height, left] of [
      [4, 6, 0],
      [10, 6, 3],
    ] as const) {
      const { values } = await place(ramp(width, height));
      const grey = (i: number) => Math.floor(0.299 * (left + (i % 4)) + 0.587 * 10 + 0.114 * 200 + 0.5001);
      expectClose(
        values,
        Array.from({ length: 24 }, (_, i) => grey(i) / 127.5 - 1),
        [6, 4],
        { rtol: 0, atol: 1e-6 },
      );
    }
    expect(centreSquare(100, 90, shape)).toEqual({ x: 50, y: 45, size: 90 });
    expect(centreSquare(40, 90, shape)).toEqual({ x: 20, y: 45, size: 60 });
  });
  test("a grey picture is read back as such", async () => {
    const { device, x, values } = await place(ramp(4, 6));
    const [picture] = await toPixels(device, x, 1, shape);
    expect(picture).toMatchObject({ width: 4, height: 6 });
    const byte = Math.round(((values[5]! + 1) / 2) * 255);
    expect([...picture!.data.subarray(20, 24)]).toEqual([byte, byte, byte, 255]);
  });
  test("a mask of the model's aspect covers what it sees", async () => {
    const device = await testDevice();
    const grid = { height: 3, width: 2 };
    const buffer = device.gpu.createBuffer({ size: 24, usage: 0x80 | 0x8 | 0x4 });
    const values = [1, 0, 0, 1, 1, 0];
    await placeMasks(device, [{ values, width: 2, height: 3 }], grid, buffer);
    expect([...new Float32Array(await readBuffer(device, buffer))]).toEqual(values);
    await expect(placeMasks(device, [{ values: [1], width: 1, height: 1 }], grid, buffer)).rejects.toThrow(
      "mask: 1x1, expected a mask of the aspect 2x3",
    );
  });
  test("a network of other channels takes values only", async () => {
    const device = await testDevice();
    const x = device.gpu.createBuffer({ size: 8 * 24, usage: 0x80 | 0x4 | 0x8 });
    const pixels = ramp(4, 6);
    const two = { ...shape, channels: 2 };
    const placed = await placedPixels(pixels, async () => pixels, two);
    await expect(placeImages(device, [placed], two, x)).rejects.toThrow("takes 2 channels, which are no picture");
  });
});
