import { mkdirSync, readFileSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import type { Browser, BrowserContext, Page } from "playwright-core";
import sharp from "sharp";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { buildDemo, modelFile } from "../../demo/build.mjs";
import { serve } from "../../demo/serve.mjs";
import { type InjectParameters, loadModel, openDevice } from "../../src/node";
import { readPngText } from "../../src/platform/png-text";
import { launchChromium } from "./chromium";
import { keepDevices, loseDevice, type Watch, watch } from "./watch";

/** UPDATE_FIGURES=20 takes so many steps, draws the strip too, and writes the screenshots; FIGURES_FOLDER says where. */
const FIGURES = Number(process.env.UPDATE_FIGURES ?? 0);
const STEPS = Math.max(6, FIGURES);
const examples = join("weights", "examples");
const figures = process.env.FIGURES_FOLDER ?? join("docs", "figures");
const model = modelFile();

let server: Awaited<ReturnType<typeof serve>>;
let browser: Browser;
let context: BrowserContext;
let page: Page;
let seen: Watch;

/** Waits until the line under the pictures says this. */
const says = (text: RegExp) =>
  page.waitForFunction(
    (source) => new RegExp(source).test(document.getElementById("status")?.textContent ?? ""),
    text.source,
    { timeout: 200_000, polling: 50 },
  );

const setSlider = (id: string, value: number) =>
  page.locator(`#slider-${id}`).evaluate((element, v) => {
    (element as HTMLInputElement).value = String(v);
    element.dispatchEvent(new Event("input"));
  }, value);

async function shoot(name: string): Promise<void> {
  if (!FIGURES) return;
  await page.waitForTimeout(400); // colours fade in
  mkdirSync(figures, { recursive: true });
  await page.screenshot({ path: join(figures, `demo-${name}.png`), fullPage: true });
}

interface Downloaded {
  readonly pixels: Buffer;
  readonly parameters: InjectParameters & { stepsInversion: number; mask?: number[] };
}

/** Presses a button of the page and reads the PNG it gives. */
async function downloaded(button: string): Promise<Downloaded> {
  const [file] = await Promise.all([page.waitForEvent("download"), page.click(button)]);
  const bytes = await readFile(await file.path());
  const pixels = await sharp(bytes).ensureAlpha().raw().toBuffer();
  return { pixels, parameters: JSON.parse(readPngText(bytes).parameters ?? "{}") };
}

/** The same run in Node: the largest difference of any channel. */
async function differenceFromNode({ pixels, parameters }: Downloaded): Promise<number> {
  const { stepsInversion, mask, ...options } = parameters;
  using device = await openDevice();
  const network = await loadModel(model, { device, resolution: 64 });
  const files = ["portrait-02.png", "portrait-01.png"].map((file) => readFileSync(join(examples, file)));
  const both = await network.invert(files, { steps: stepsInversion });
  const side = Math.sqrt(mask?.length ?? 0);
  const result = await network.inject({
    ...options,
    content: both.select(0),
    original: both.select(1),
    ...(mask && { mask: { values: mask, width: side, height: side } }),
  });
  const [expected] = await result.toPixels();
  expect(pixels.length).toBe(expected!.data.length);
  return Math.max(...expected!.data.map((v, i) => Math.abs(v - pixels[i]!)));
}

describe.skipIf(!model)("the demo", () => {
  beforeAll(async () => {
    server = await serve(await buildDemo());
    browser = await launchChromium();
    context = await browser.newContext({ viewport: { width: 1280, height: 900 }, acceptDownloads: true });
    seen = watch(context, server.url);
    await keepDevices(context);
    page = await context.newPage();
    await page.goto(`${server.url}#gamma=0.7&inversion=${STEPS}&steps=${STEPS}&seed=7&boost=150`);
    await says(/^Ready/);
  });

  afterAll(async () => {
    await browser?.close();
    server?.close();
  });

  test("injects with a painted mask, and gives the picture that Node gives", async () => {
    await page.click("#mask-toggle");
    const box = (await page.locator("#mask").boundingBox())!;
    await page.mouse.move(box.x + box.width * 0.3, box.y + box.height * 0.2);
    await page.mouse.down();
    await page.mouse.move(box.x + box.width * 0.7, box.y + box.height * 0.25, { steps: 4 });
    await page.mouse.move(box.x + box.width * 0.5, box.y + box.height * 0.45, { steps: 4 });
    await page.mouse.up();
    await page.click("#run");
    await says(/^Done/);
    const result = await downloaded("#download");
    await shoot("light");
    expect(result.parameters).toMatchObject({ gamma: 0.7, steps: STEPS, stepsInversion: STEPS, seed: 7, tBoost: 150 });
    const { mask = [] } = result.parameters;
    expect(mask).toHaveLength(64);
    expect(mask.some((v) => v > 0.5) && mask.some((v) => v === 0)).toBe(true);
    expect(await differenceFromNode(result)).toBeLessThanOrEqual(1);
  });

  test("a new gamma generates again from the inversions that are kept", async () => {
    await page.evaluate(() => {
      const said: string[] = [];
      Object.assign(globalThis, { said });
      const line = document.getElementById("status")!;
      new MutationObserver(() => said.push(line.textContent ?? "")).observe(line, { childList: true });
    });
    await setSlider("gamma", 0.2);
    await says(/^Generating/);
    await says(/^Done/);
    const said = await page.evaluate(() => (globalThis as unknown as { said: string[] }).said);
    expect(said.filter((text) => text.startsWith("Inverting"))).toEqual([]);
    expect(page.url()).toContain("gamma=0.2");
  });

  test.runIf(FIGURES)("draws the strip", async () => {
    await page.click("#run-strip");
    await says(/^The strip is done/);
    const strip = await downloaded("#strip-download");
    expect(strip.pixels.length).toBe(4 * 64 * (6 * 66 - 2));
  });

  test("draws the grid of the pictures chosen", async () => {
    await page.locator("#grid-originals button").nth(1).click(); // a pair that is inverted already remains
    await page.locator("#grid-contents button").nth(2).click();
    await page.click("#run-grid");
    await says(/^The grid is done/);
    expect((await downloaded("#grid-download")).pixels.length).toBe(4 * 64 * 64);
    await shoot("sweeps");
  });

  test("stops when told to, and runs again", async () => {
    await page.uncheck("#live");
    await setSlider("steps", 7); // 50 steps
    await page.click("#run");
    await says(/step 2 of 50/);
    await page.click("#cancel");
    await says(/^Cancelled/);
    await page.emulateMedia({ colorScheme: "dark" });
    await shoot("dark");
    await page.emulateMedia({ colorScheme: "light" });
  });

  test("offers to resume when the device is lost, and does", async () => {
    await setSlider("steps", 0); // 6 steps
    await page.click("#run");
    await says(/^Generating, step 1/);
    await loseDevice(page);
    await page.waitForSelector("#notice:not([hidden])");
    expect(await page.textContent("#notice-text")).toMatch(/^The GPU went away/);
    await page.click("#notice-action");
    await says(/^Done/);
    expect(await page.isVisible("#notice")).toBe(false);
  });

  test("loads the weights it kept, not the network's", async () => {
    const size = readFileSync(model!).length;
    const before = seen.received("portraits64");
    expect(before).toBeGreaterThanOrEqual(size);
    await page.reload();
    await says(/^Ready/);
    expect(seen.received("portraits64") - before).toBeLessThan(0.5 * size);
  });

  test("says what to do when memory runs out", async () => {
    await page.evaluate(() => {
      const { testDevices } = globalThis as unknown as { testDevices: GPUDevice[] };
      const error = new GPUOutOfMemoryError("allocation failed");
      testDevices.at(-1)?.dispatchEvent(new GPUUncapturedErrorEvent("uncapturederror", { error }));
    });
    await page.waitForSelector("#notice:not([hidden])");
    expect(await page.textContent("#notice-text")).toMatch(/ran out of memory. Use fewer inversion steps/);
    await page.click("#notice-close");
  });

  test("fits a phone", async () => {
    await page.setViewportSize({ width: 390, height: 844 });
    const overflow = await page.evaluate(() => document.documentElement.scrollWidth - innerWidth);
    expect(overflow).toBeLessThanOrEqual(0);
    await shoot("phone");
  });

  test("says what to do where there is no WebGPU", async () => {
    const other = await browser.newContext();
    await other.addInitScript(() => Object.defineProperty(Navigator.prototype, "gpu", { get: () => undefined }));
    const bare = await other.newPage();
    await bare.goto(server.url);
    await bare.waitForSelector("#notice:not([hidden])");
    expect(await bare.textContent("#notice-text")).toMatch(/no WebGPU; use Chrome/);
    await other.close();
  });

  test("says what to do where there is no adapter", async () => {
    const other = await browser.newContext();
    await other.addInitScript(() => {
      if (typeof GPU !== "undefined") GPU.prototype.requestAdapter = async () => null;
    });
    const bare = await other.newPage();
    await bare.goto(server.url);
    await bare.waitForSelector("#notice:not([hidden])");
    expect(await bare.textContent("#notice-text")).toMatch(/no GPU to run it on; turn on graphics acceleration/);
    await other.close();
  });

  test("without a console error or a request to anywhere else", () => {
    expect(seen.errors).toEqual([]);
    expect(seen.strangers).toEqual([]);
  });
});
