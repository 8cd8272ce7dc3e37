import { tmpdir } from "node:os";
import { join } from "node:path";
import sharp from "sharp";
import { beforeAll, expect, test } from "vitest";
import type { Pixels } from "../src/api";
import { alignEyes } from "../src/inject/placement";
import { type FindFace, openFaceFinder } from "../src/platform/face-node";
import { decodeImage } from "../src/platform/images-node";

/** A part of the finder's own sample photo that holds one face. */
const photo = join("node_modules", "@vladmandic", "face-api", "demo", "sample1.jpg");
const part = { left: 230, top: 240, width: 520, height: 520 };
/** Where that face is, read off the photo. */
const eyes = [207, 217, 280, 220] as const;
const mouth = [243, 307] as const;

let find: FindFace;
beforeAll(async () => {
  find = await openFaceFinder();
});

const near = (found: readonly number[], expected: readonly number[], by: number) =>
  expect(Math.max(...found.map((v, i) => Math.abs(v - expected[i]!)))).toBeLessThan(by);

test("finds the eyes and the mouth of a face", async () => {
  const picture = await decodeImage(await sharp(photo).extract(part).png().toBuffer());
  const found = await find(picture, "photo.jpg");
  near(found.eyes, eyes, 12);
  near(found.mouth!, mouth, 15);
});

test("a turned, smaller picture gives the square turned and scaled alike", async () => {
  const [degrees, scale] = [15, 0.75];
  const turned = await sharp(await sharp(photo).extract(part).png().toBuffer())
    .rotate(degrees)
    .png()
    .toBuffer();
  const { width, height } = await sharp(turned).metadata();
  const small = await decodeImage(
    await sharp(turned)
      .resize(Math.round(width * scale))
      .png()
      .toBuffer(),
  );
  const square = alignEyes(await find(small, "photo.jpg"));
  const whole = alignEyes({ eyes, mouth });
  const [c, s] = [Math.cos((degrees * Math.PI) / 180), Math.sin((degrees * Math.PI) / 180)];
  const [x, y] = [whole.x - part.width / 2, whole.y - part.height / 2];
  const there = [scale * (width / 2 + c * x - s * y), scale * (height / 2 + s * x + c * y)];
  near([square.x, square.y], there, 0.08 * whole.size * scale);
  expect(Math.abs(square.size / (whole.size * scale) - 1)).toBeLessThan(0.15);
  expect(Math.abs(square.degrees! - whole.degrees! - degrees)).toBeLessThan(8);
});

test("says where there is no face, and what to install where there is no finder", async () => {
  const flat: Pixels = { data: new Uint8Array(4 * 64 * 64).fill(128), width: 64, height: 64 };
  await expect(find(flat, "wall.jpg")).rejects.toThrow(/^wall\.jpg: no face was found; give its eyes \(--eyes/);
  await expect(openFaceFinder([join(tmpdir(), "nowhere.js")])).rejects.toThrow(
    /--align face needs a face finder: npm install @vladmandic\/face-api/,
  );
});
