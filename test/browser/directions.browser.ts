import { join } from "node:path";
import type { Page } from "playwright-core";
import { afterAll, beforeAll, expect, test } from "vitest";
import { directionsBytes } from "../../src/inject/directions-file";
import { loadModel, type Model, openDevice } from "../../src/node";
import { seeded } from "../../src/random";
import { Demo, type Downloaded } from "./demo-page";

/** A small network, which the page opens beside the shipped one. */
const network = join("test", "golden", "ddpm_tiny_trained.weights.safetensors");
const STEPS = 6;

let demo: Demo;
let page: Page;
let model: Model;
/** Files of directions: two components, and one difference, both in h of the small network. */
let pca: Buffer;
let glasses: Buffer;

async function fileOf(kind: "pca" | "difference", count: number, tap = "mid.block_2"): Promise<Buffer> {
  const h = model.tapShape(tap);
  const values = [0, 400, 999].map(
    (t) => [t, seeded(t + count, [count, ...h]).map((v) => 0.4 * v) as Float32Array<ArrayBuffer>] as const,
  );
  const explained = { explained: Object.fromEntries(values.map(([t]) => [t, [0.3, 0.1]])) };
  const info = { model: model.hash, tap, h, kind, pictures: 8, ...(kind === "pca" && explained) };
  return Buffer.from(await directionsBytes(info, count, values));
}

const choose = (name: string, buffer: Buffer) =>
  page.setInputFiles("#directions-file", { name, mimeType: "application/octet-stream", buffer });

/** What a result says it was made of. */
interface Made {
  readonly contents: readonly string[];
  readonly directions?: readonly { readonly file: string; readonly component: number; readonly scale: number }[];
}

/** The same run in Node, by what the result says it was made of: the largest difference of any channel. */
async function differenceFromNode({ pixels, parameters }: Downloaded, file: Buffer): Promise<number> {
  const { gamma, tEdit, tBoost, omega, mask, contents, directions = [] } = parameters as typeof parameters & Made;
  const pictures = ["portrait-02.png", "portrait-04.png"].map((name) => join("weights", "examples", name));
  using both = await model.invert(pictures, { steps: STEPS });
  using of = await model.loadDirections(file);
  const side = Math.sqrt(mask?.length ?? 0);
  using result = await model.inject({
    ...{ gamma, tEdit, tBoost, omega, steps: STEPS, original: both.select(1) },
    ...(contents.length > 0 && { content: both.select(0) }),
    ...(mask && { mask: { values: mask, width: side, height: side } }),
    directions: directions.map(({ component, scale }) => ({ of, component: component - 1, scale })),
  });
  const [expected] = await result.toPixels();
  expect(pixels.length).toBe(expected!.data.length);
  return Math.max(...expected!.data.map((v, i) => Math.abs(v - pixels[i]!)));
}

const labels = () => page.$$eval("#directions-sliders label", (all) => all.map((label) => label.textContent));
const made = ({ parameters }: Downloaded) => parameters as typeof parameters & Made;

async function inject(): Promise<Downloaded> {
  await page.click("#run");
  await demo.says(/^Done/);
  return demo.downloaded("#download");
}

beforeAll(async () => {
  model = await loadModel(network, { device: await openDevice(), resolution: 32 });
  pca = await fileOf("pca", 2);
  glasses = await fileOf("difference", 1);
  demo = await Demo.start(`preset=quick&gamma=0.5&inversion=${STEPS}&steps=${STEPS}&boost=0`);
  ({ page } = demo);
  await demo.says(/^Ready/);
  await page.uncheck("#live");
});

afterAll(async () => {
  await demo?.close();
  model?.device.destroy();
});

test("directions of another model are refused in one line", async () => {
  expect(await page.textContent("#directions-note")).toMatch(/^Moves the original along what was found in h/);
  await choose("pca.safetensors", pca);
  expect(await demo.notice()).toMatch(/^pca\.safetensors: directions of another model \(\w+, this one is \w+\); find/);
  expect(await labels()).toEqual([]);
  await page.click("#notice-close");
});

test("a file gives a slider for each component, with names and scales", async () => {
  await page.click("#model-open");
  await page.click("#model-dialog summary");
  await page.fill("#model-side", "32");
  await page.setInputFiles("#model-file", network);
  await demo.says(/^Ready/);
  await choose("pca.safetensors", pca);
  await demo.says(/^Opened pca\.safetensors/);
  expect(await labels()).toEqual(["Component 1", "Component 2"]);
  expect(await page.textContent("#directions-note")).toMatch(
    /^pca\.safetensors: 2 principal components over 8 pictures\. .* in the mask/,
  );
  const first = page.getByRole("slider", { name: "Component 1" });
  expect(await page.textContent("#slider-direction-1-hint")).toMatch(/It explains 30 % of what varies in h/);
  await first.focus();
  await page.keyboard.press("ArrowRight");
  expect([await demo.shown("direction-1"), await first.getAttribute("aria-valuetext")]).toEqual(["+0.1", "+0.1"]);
  await page.keyboard.press("Home");
  expect(await demo.shown("direction-1")).toBe("−3.0");
  await page.click("#directions-reset");
  expect(await demo.shown("direction-1")).toBe("0.0");
});

test("they act beside the content and in the mask, as in Node", async () => {
  await demo.setSlider("direction-1", 2);
  await demo.setSlider("direction-2", -1.5);
  await page.click("#mask-toggle");
  await page.focus("#mask");
  for (const key of ["ArrowRight", "ArrowDown", "Space", "ArrowRight", "Space"]) await page.keyboard.press(key);
  const result = await inject();
  expect(made(result)).toMatchObject({
    contents: ["portrait-02.png"],
    directions: [
      { file: "pca.safetensors", component: 1, scale: 2 },
      { file: "pca.safetensors", component: 2, scale: -1.5 },
    ],
  });
  expect(made(result).mask?.filter((v) => v > 0).length).toBe(2);
  expect(await differenceFromNode(result, pca)).toBeLessThanOrEqual(1);
  await page.click("#mask-clear");
});

test("they act alone, as in Node; without a scale that is the original again", async () => {
  await page.check("#directions-alone");
  expect(await page.textContent("#result-note")).toMatch(/^Made with other pictures or settings/);
  await demo.setSlider("direction-2", 0);
  const result = await inject();
  expect(made(result)).toMatchObject({ contents: [], directions: [{ component: 1, scale: 2 }] });
  expect(await differenceFromNode(result, pca)).toBeLessThanOrEqual(1);
  expect(await page.textContent("#result-note")).toBe(
    `portrait 04 along directions: Component 1 +2.0, ${STEPS} + ${STEPS} steps`,
  );
  await page.click("#directions-reset");
  const plain = await inject();
  expect(plain.pixels.equals(result.pixels)).toBe(false);
  expect(await differenceFromNode(plain, pca)).toBeLessThanOrEqual(1);
});

test("an older result brings its scales back", async () => {
  await page.locator("#history button").nth(1).click();
  expect([await demo.shown("direction-1"), await page.isChecked("#directions-alone")]).toEqual(["+2.0", true]);
  await page.locator("#history button").nth(2).click();
  expect([await demo.shown("direction-2"), await page.isChecked("#directions-alone")]).toEqual(["−1.5", false]);
});

test("what is no file of directions, or is of another tap, leaves the one in use", async () => {
  const drop = (target: string, name: string, bytes: Buffer) =>
    page.evaluate(
      ({ target, name, base64 }) => {
        const data = new DataTransfer();
        data.items.add(new File([Uint8Array.from(atob(base64), (c) => c.charCodeAt(0))], name));
        const event = new DragEvent("drop", { dataTransfer: data, bubbles: true, cancelable: true });
        document.querySelector(target)!.dispatchEvent(event);
      },
      { target, name, base64: bytes.toString("base64") },
    );
  await drop("#directions", "notes.safetensors", Buffer.from("no directions"));
  expect(await demo.notice()).toMatch(/^notes\.safetensors: /);
  await page.click("#notice-close");
  await choose("up.safetensors", await fileOf("pca", 2, "up.2.block.0"));
  expect(await demo.notice()).toBe(
    'up.safetensors: directions at "up.2.block.0", but this page injects at "mid.block_2"; find them at that tap.',
  );
  await page.click("#notice-close");
  expect(await labels()).toEqual(["Component 1", "Component 2"]);
  // Dropped beside the section it is no model either.
  await drop("body", "glasses.safetensors", glasses);
  await demo.says(/^Opened glasses\.safetensors/);
  expect(await labels()).toEqual(["glasses"]);
  expect(await page.textContent("#directions-note")).toMatch(/^glasses\.safetensors: a difference of means/);
});

test("a file is removed again, by its button or with its model", async () => {
  await demo.setSlider("direction-1", 1);
  await page.click("#directions-remove");
  await demo.says(/^Removed glasses\.safetensors/);
  expect([await labels(), await page.isVisible("#directions-alone")]).toEqual([[], false]);
  expect(await page.evaluate(() => document.activeElement?.id)).toBe("directions-open");
  expect(made(await inject()).directions).toBeUndefined();
  await choose("glasses.safetensors", glasses);
  await demo.says(/^Opened/);
  await page.click("#model-open");
  await page.click("#model-shipped");
  await demo.says(/^Ready/);
  expect(await demo.notice()).toMatch(/^glasses\.safetensors: directions of another model/);
  expect(await labels()).toEqual([]);
});

test("without a console error or a request to anywhere else", () => {
  expect(demo.seen.errors).toEqual([]);
  expect(demo.seen.strangers).toEqual([]);
});
