import { chmodSync, mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import sharp, { type Sharp } from "sharp";
import { afterAll, describe, expect, test } from "vitest";
import type { Pixels } from "../src/api";
import { UserError } from "../src/errors";
import { checkWritable, readWhole, writeWhole } from "../src/platform/files-node";
import { decodeImage, decodeMask, encodePng } from "../src/platform/images-node";
import { addPngText, readPngText } from "../src/platform/png-text";

const folder = mkdtempSync(join(tmpdir(), "injectfusion-images-"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));
const file = (name: string, bytes: Uint8Array | string) => {
  writeFileSync(join(folder, name), bytes);
  return join(folder, name);
};

/** 8 x 4: left half red, right half blue. */
const flag = () => {
  const data = new Uint8Array(8 * 4 * 3);
  for (let i = 0; i < 32; i++) data[i * 3 + (i % 8 < 4 ? 0 : 2)] = 255;
  return sharp(data, { raw: { width: 8, height: 4, channels: 3 } });
};
const pixel = ({ data, width }: Pixels, x: number, y: number) => [
  ...data.subarray((y * width + x) * 4, (y * width + x) * 4 + 4),
];
const near = (a: number[], b: number[], by: number) => a.every((v, i) => Math.abs(v - b[i]!) <= by);

describe("decodeImage", () => {
  test.each(["png", "jpeg", "webp", "tiff", "avif", "gif"] as const)("reads %s", async (format) => {
    const image = await decodeImage(await flag().resize(64, 32, { kernel: "nearest" }).toFormat(format).toBuffer());
    expect([image.width, image.height, image.data.length]).toEqual([64, 32, 64 * 32 * 4]);
    expect(near(pixel(image, 8, 16), [255, 0, 0, 255], 8)).toBe(true);
    expect(near(pixel(image, 56, 16), [0, 0, 255, 255], 8)).toBe(true);
  });

  test("turns a picture upright by its EXIF orientation", async () => {
    const image = await decodeImage(await flag().withMetadata({ orientation: 6 }).png().toBuffer());
    expect([image.width, image.height]).toEqual([4, 8]);
    expect(pixel(image, 1, 0)).toEqual([255, 0, 0, 255]);
    expect(pixel(image, 1, 7)).toEqual([0, 0, 255, 255]);
  });

  test("lays alpha over white", async () => {
    const half = sharp(Buffer.from([255, 0, 0, 0, 0, 0, 255, 255]), { raw: { width: 2, height: 1, channels: 4 } });
    const image = await decodeImage(await half.png().toBuffer());
    expect(pixel(image, 0, 0)).toEqual([255, 255, 255, 255]);
    expect(pixel(image, 1, 0)).toEqual([0, 0, 255, 255]);
  });

  test("applies the colour profile", async () => {
    const wide = await flag().withIccProfile("p3").png().toBuffer();
    const [r, g, b] = pixel(await decodeImage(wide), 0, 0);
    expect(near([r!, g!, b!], [255, 0, 0], 3)).toBe(true);
  });

  test.each([
    ["greyscale", (s: Sharp) => s.greyscale().png()],
    ["16 bits a channel", (s: Sharp) => s.toColourspace("rgb16").png()],
    ["CMYK", (s: Sharp) => s.toColourspace("cmyk").jpeg()],
    ["palette", (s: Sharp) => s.png({ palette: true })],
  ])("reads %s", async (_, change) => {
    const image = await decodeImage(await change(flag()).toBuffer());
    expect(image.data.length).toBe(8 * 4 * 4);
  });

  const bad: [string, () => Promise<string> | string, RegExp][] = [
    ["missing", () => join(folder, "nowhere.png"), /nowhere\.png: no such file/],
    ["a folder", () => folder, /is a folder, expected a file/],
    ["empty", () => file("empty.png", ""), /empty\.png: is empty \(0 bytes\), expected a picture/],
    ["text", () => file("text.png", "not a picture at all, by no means"), /text\.png: is not a picture/],
    [
      "a PNG signature alone",
      () => file("sig.png", Uint8Array.of(137, 80, 78, 71, 13, 10, 26, 10)),
      /sig\.png: is (damaged|not a picture)/,
    ],
    ...(["png", "jpeg", "webp"] as const).map((format): [string, () => Promise<string>, RegExp] => [
      `truncated ${format}`,
      async () => {
        const noise = sharp({
          create: {
            width: 200,
            height: 200,
            channels: 3,
            background: "red",
            noise: { type: "gaussian", mean: 128, sigma: 60 },
          },
        });
        const whole = await noise.toFormat(format).toBuffer();
        return file(`cut.${format}`, whole.subarray(0, whole.length / 2));
      },
      /cut\.\w+: is damaged or cut short/,
    ]),
  ];
  test.each(bad)("refuses a file that is %s, in one line", async (_, make, message) => {
    const error = await decodeImage(await make()).then(
      () => undefined,
      (e: unknown) => e,
    );
    expect(error).toBeInstanceOf(UserError);
    expect((error as Error).message).toMatch(message);
    expect((error as Error).message).not.toContain("\n");
  });
});

describe("pictures from strangers", () => {
  const grey = (width: number, height: number) =>
    sharp({ create: { width, height, channels: 3, background: "#777" }, limitInputPixels: false });
  test("pixels beyond the limit are refused, naming it; below it, a large picture takes little memory", async () => {
    const bytes = await grey(8192, 8192).toColourspace("b-w").png({ palette: true, colours: 2 }).toBuffer();
    await expect(decodeImage(bytes, "huge.png", { maxPixels: 2 ** 25 })).rejects.toThrow(
      /huge\.png: has 67108864 pixels .*at most 33554432.*maxPixels.*INJECTFUSION_MAX_PIXELS=67108864/,
    );
    const before = process.resourceUsage().maxRSS;
    const { width, height, data } = await decodeImage(bytes, "huge.png");
    expect([width, height, data.length]).toEqual([4096, 4096, 2 ** 26]);
    expect(process.resourceUsage().maxRSS - before).toBeLessThan(256 * 1024);
  });

  test("formats that are decoded whole have a share of the limit", async () => {
    const baseline = await grey(100, 100).jpeg().toBuffer();
    const progressive = await grey(100, 100).jpeg({ progressive: true }).toBuffer();
    const interlaced = await grey(100, 100).png({ progressive: true }).toBuffer();
    expect((await decodeImage(baseline, "p", { maxPixels: 10_000 })).width).toBe(100);
    await expect(decodeImage(baseline, "p", { maxPixels: 9_999 })).rejects.toThrow(/at most 9999 /);
    for (const bytes of [progressive, interlaced])
      await expect(decodeImage(bytes, "p", { maxPixels: 19_999 })).rejects.toThrow(/INJECTFUSION_MAX_PIXELS=20000/);
    for (const [share, bytes] of [
      [1 / 4, await grey(100, 100).gif().toBuffer()],
      [3 / 16, await grey(100, 100).avif({ effort: 0 }).toBuffer()],
    ] as const) {
      const maxPixels = Math.ceil(10_000 / share);
      expect((await decodeImage(bytes, "p", { maxPixels })).width).toBe(100);
      await expect(decodeImage(bytes, "p", { maxPixels: maxPixels - 1 })).rejects.toThrow(
        `INJECTFUSION_MAX_PIXELS=${maxPixels}`,
      );
    }
    await expect(decodeImage(baseline, "p", { maxPixels: -1 })).rejects.toThrow(/expected a whole number of pixels/);
  });

  test("a side beyond the limit is refused, for rows are held in strips", async () => {
    const wide = await grey(16_385, 3).png().toBuffer();
    await expect(decodeImage(wide, "wide.png")).rejects.toThrow(
      "wide.png: has a side of 16385 pixels (16385x3), expected at most 16384; make it smaller, or raise the limit (option maxPixels, or INJECTFUSION_MAX_PIXELS=67117057)",
    );
    expect((await decodeImage(wide, "wide.png", { maxPixels: 67_117_057 })).width).toBe(16_385);
  });

  test("pictures of more than 2^24 pixels are reduced, upright, in their aspect", async () => {
    const tall = await grey(2048, 10_240).jpeg().withMetadata({ orientation: 6 }).toBuffer();
    const { width, height } = await decodeImage(tall);
    expect(width * height).toBeLessThanOrEqual(2 ** 24);
    expect(width * height).toBeGreaterThan(0.99 * 2 ** 24);
    expect(width / height).toBeCloseTo(5, 2);
  });

  test.each([
    ["SVG", '<svg xmlns="http://www.w3.org/2000/svg" width="9" height="9"/>', /SVG drawing.*PNG/],
    [
      "SVG in XML",
      '<?xml version="1.0"?>\n<!-- a -->\n<svg:svg xmlns:svg="http://www.w3.org/2000/svg"/>',
      /SVG drawing/,
    ],
    ["SVG behind a byte order mark", "\ufeff<svg/>", /not a picture|SVG/],
    ["PPM", "P6\n1 1\n255\nabc", /not a picture/],
    ["PDF", "%PDF-1.4", /not a picture/],
    ["SVG that begins like a GIF", 'GIF89a<svg xmlns="http://www.w3.org/2000/svg" width="9" height="9"/>', /damaged/],
  ])("%s is refused", async (_, text, message) => {
    await expect(decodeImage(new TextEncoder().encode(text), "p")).rejects.toThrow(message);
  });

  test("URLs are not repeated whole", async () => {
    const data = `data:image/png;base64,${"A".repeat(5000)}`;
    for (const url of [data, new URL(data)]) {
      const error = await decodeImage(url).catch((e: Error) => e);
      expect((error as Error).message).toMatch(
        /^data URL \(image\/png, 5022 characters\): pictures are read from files/,
      );
    }
    const secret = "https://user:pass@example.org/a.png?token=abc#x";
    await expect(decodeImage(secret)).rejects.toThrow(/^https:\/\/example\.org\/a\.png: pictures are read from files/);
  });

  test("a device without end is read up to the limit only", async () => {
    await expect(readWhole("/dev/zero", "a file", 2 ** 20)).rejects.toThrow(/at most 1048576 are read/);
  });
});

describe("decodeMask", () => {
  test("white acts, black does not, alpha multiplies", async () => {
    const raw = Buffer.from([255, 255, 255, 255, 0, 0, 0, 255, 255, 255, 255, 51]);
    const png = await sharp(raw, { raw: { width: 3, height: 1, channels: 4 } })
      .png()
      .toBuffer();
    const { values, width, height } = await decodeMask(png);
    expect([width, height]).toEqual([3, 1]);
    expect(near([...values], [1, 0, 0.2], 1e-3)).toBe(true);
  });

  test("an all-black mask is refused", async () => {
    const black = await sharp({ create: { width: 4, height: 4, channels: 3, background: "black" } })
      .png()
      .toBuffer();
    await expect(decodeMask(black)).rejects.toThrow(/black everywhere/);
  });
});

test("PNG text survives, in Latin-1 and beyond, and the picture with it", async () => {
  const data = Uint8Array.from({ length: 2 * 3 * 4 }, (_, i) => (i % 4 === 3 ? 255 : i * 7));
  const text = { Parameters: '{"gamma":0.3}', Title: "γ → 0.3, ünïcode" };
  const png = await encodePng({ data, width: 2, height: 3 }, text);
  expect(readPngText(png)).toEqual(text);
  expect([...(await decodeImage(png)).data]).toEqual([...data]);
  expect(() => addPngText(png, { "": "x" })).toThrow(/key/);
});

test("a file appears whole or not at all", async () => {
  const target = join(folder, "whole.txt");
  await writeWhole(target, "first");
  await writeWhole(target, "second");
  await expect(writeWhole(join(folder, "none", "x.txt"), "x")).rejects.toThrow(
    /folder .*none does not exist; make it first/,
  );
  await expect(writeWhole(folder, "x")).rejects.toThrow(/is a folder/);
  await expect(checkWritable(join(folder, "none", "x.png"))).rejects.toThrow(UserError);
  await expect(checkWritable(join(folder, "x.png"))).resolves.toBeUndefined();
  expect(readdirSync(folder).filter((name) => name.endsWith(".part"))).toEqual([]);
  expect(readdirSync(folder).filter((name) => name.endsWith(".part"))).toEqual([]);
});

test("a folder that takes no files is named before any work", async () => {
  if (process.platform === "linux")
    await expect(checkWritable("/proc/x.png")).rejects.toThrow(/no file can be made in the folder \/proc/);
  const locked = join(folder, "locked");
  mkdirSync(locked, { mode: 0o555 });
  const isRoot = process.getuid?.() === 0;
  if (isRoot) chmodSync(folder, 0o755);
  if (isRoot) process.seteuid!(65534); // permissions do not bind root
  try {
    await expect(checkWritable(join(locked, "x.png"))).rejects.toThrow(
      /locked may not be written \(permission denied\)/,
    );
  } finally {
    if (isRoot) process.seteuid!(0);
  }
});
