import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Page } from "playwright-core";
import sharp from "sharp";
import { afterAll, beforeAll, expect, test } from "vitest";
import { modelFile } from "../../demo/build.mjs";
import { pictureCache, readTriples, setFolders } from "../../src/cli/result-sets";
import { defaults, type InjectParameters, loadModel, openDevice } from "../../src/node";
import { Demo, type Downloaded } from "./demo-page";
import { loseDeviceWhen } from "./watch";

/** UPDATE_FIGURES=20 takes so many steps, draws the strip too, and writes the screenshots; FIGURES_FOLDER says where. */
const FIGURES = Number(process.env.UPDATE_FIGURES ?? 0);
const STEPS = Math.max(6, FIGURES);
/** Taken from the strip: another than the page has then. */
const GAMMA = 0.6;
/** Fresh noise needs more steps than figures take to look well. */
const BOOST = FIGURES ? 0 : 100;
const examples = join("weights", "examples");
const figures = process.env.FIGURES_FOLDER ?? join("docs", "figures");
const model = modelFile();

let demo: Demo;
let page: Page;

async function shoot(name: string, fullPage = true): Promise<void> {
  if (!FIGURES) return;
  await page.waitForTimeout(400); // colours fade in
  mkdirSync(figures, { recursive: true });
  const shot = await page.screenshot({ fullPage });
  await sharp(shot)
    .png({ palette: true, effort: 10 })
    .toFile(join(figures, `demo-${name}.png`));
}

/** The same run in Node: the largest difference of any channel. */
async function differenceFromNode({ pixels, parameters }: Downloaded): Promise<number> {
  const { stepsInversion, solver, mask } = parameters;
  const options = Object.fromEntries(
    Object.entries(parameters).filter(([key]) => Object.hasOwn(defaults, key)),
  ) as unknown as InjectParameters;
  using device = await openDevice();
  const network = await loadModel(model, { device });
  const files = ["portrait-02.png", "portrait-04.png"].map((file) => readFileSync(join(examples, file)));
  const both = await network.invert(files, { steps: stepsInversion, solver });
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

beforeAll(async () => {
  demo = await Demo.start(`gamma=0.7&inversion=${STEPS}&steps=${STEPS}&seed=7&boost=${BOOST}`);
  ({ page } = demo);
  await demo.says(/^Ready/);
});

afterAll(() => demo?.close());

test("injects with a painted mask, and gives the picture that Node gives", async () => {
  await page.click("#mask-toggle");
  const box = (await page.locator("#mask").boundingBox())!;
  await page.mouse.move(box.x + box.width * 0.3, box.y + box.height * 0.2);
  await page.mouse.down();
  await page.mouse.move(box.x + box.width * 0.7, box.y + box.height * 0.25, { steps: 4 });
  await page.mouse.move(box.x + box.width * 0.5, box.y + box.height * 0.45, { steps: 4 });
  await page.mouse.up();
  const said = await demo.listen();
  await page.click("#run");
  await demo.says(/^Done/);
  expect((await said()).filter((text) => /^Inverting, step/.test(text)).length).toBeGreaterThan(1);
  const result = await demo.downloaded("#download");
  expect(result.parameters).toMatchObject({ gamma: 0.7, steps: STEPS, stepsInversion: STEPS, seed: 7, tBoost: BOOST });
  const { mask = [] } = result.parameters;
  expect(Number.isInteger(Math.sqrt(mask.length)) && mask.length > 1).toBe(true);
  expect(mask.some((v) => v > 0.5) && mask.some((v) => v === 0)).toBe(true);
  expect(await differenceFromNode(result)).toBeLessThanOrEqual(1);
  // `evaluate` knows what the file was made of.
  const folder = mkdtempSync(join(tmpdir(), "injectfusion-demo-"));
  writeFileSync(join(folder, "result.png"), result.bytes);
  const failures: string[] = [];
  const folders = await setFolders({ originals: examples, contents: examples });
  const set = await readTriples(folder, ["result.png"], folders, pictureCache(), failures);
  rmSync(folder, { recursive: true });
  expect([set.length, failures]).toEqual([1, []]);
  const first = await sharp(join(examples, "portrait-04.png")).ensureAlpha().raw().toBuffer();
  expect(first.equals(Buffer.from(set[0]!.original.data))).toBe(true);
});

test("saves the result larger, too", async () => {
  const own = (await demo.downloaded("#download")).pixels.length;
  await page.selectOption("#download-size", "4");
  expect((await demo.downloaded("#download")).pixels.length).toBe(16 * own);
  await page.selectOption("#download-size", "1");
});

test("marks the result when another picture is chosen, and clears the mark when it comes back", async () => {
  const stale = () => page.$eval("#result", (figure) => figure.classList.contains("stale"));
  const choose = (n: number) => page.locator("#content .thumb").nth(n).click();
  await choose(4);
  expect(await stale()).toBe(true);
  expect(await page.textContent("#result-note")).toMatch(/^Made with other pictures or settings/);
  await choose(1);
  expect(await stale()).toBe(false);
  expect(await page.textContent("#result-note")).toMatch(
    /^portrait 04 with the content of portrait 02: γ 0.7, in the mask/,
  );
});

test("a new gamma generates again from the inversions that are kept", async () => {
  const said = await demo.listen();
  await demo.setSlider("gamma", 0.2);
  await demo.says(/^Generating/);
  await demo.says(/^Done/);
  expect((await said()).filter((text) => text.startsWith("Inverting"))).toEqual([]);
  expect(page.url()).toContain("gamma=0.2");
});

test("keeps the results before, and their settings come back with them", async () => {
  const said = await demo.listen();
  const [newest, older] = [page.locator("#history button").first(), page.locator("#history button").nth(1)];
  await older.click();
  expect(await demo.shown("gamma")).toBe("0.70");
  expect((await demo.downloaded("#download")).parameters.gamma).toBe(0.7);
  await newest.click();
  expect(await demo.shown("gamma")).toBe("0.20");
  await page.waitForTimeout(500); // longer than a setting takes to be followed
  expect(await said()).toEqual([]);
});

test("goes on from the last finished step when the device is lost, to the same picture", async () => {
  const whole = await demo.downloaded("#download");
  const said = await demo.listen();
  await loseDeviceWhen(page, /^Generating, step 3/);
  await page.click("#run");
  expect(await demo.notice()).toMatch(/^The GPU went away/);
  await page.click("#notice-action");
  await demo.says(/^Done/);
  expect(await page.isVisible("#notice")).toBe(false);
  const all = await said();
  const resumed = all.findIndex((text) => /^Generating on from step [3-6]/.test(text));
  expect(resumed).toBeGreaterThan(0);
  const from = Number(/\d+/.exec(all[resumed]!)![0]);
  const steps = all.slice(resumed).flatMap((text) => /^Generating, step (\d+)/.exec(text)?.[1] ?? []);
  expect(steps.map(Number)).toEqual(Array.from({ length: STEPS - from }, (_, i) => from + 1 + i));
  expect(all.filter((text) => text.startsWith("Inverting"))).toEqual([]);
  const resumedPicture = await demo.downloaded("#download");
  expect(resumedPicture.pixels.equals(whole.pixels)).toBe(true);
});

test("uncovers the original behind the result", async () => {
  await page.focus("#split");
  for (let k = 0; k < 3; k++) await page.keyboard.press("ArrowRight");
  expect(await page.getAttribute("#split", "aria-valuetext")).toBe("3 % original, 97 % result");
  const split = () => page.$eval("#result-frame", (frame) => (frame as HTMLElement).style.getPropertyValue("--split"));
  expect(await split()).toBe("0.03");
  await page.keyboard.press("Home");
  expect(await split()).toBe("0");
});

test("draws the strip: its gammas differ, and one of them can be taken", async () => {
  if (FIGURES) {
    // Figures show the whole picture changed.
    if (await page.isHidden("#mask-clear")) await page.click("#mask-toggle");
    await page.click("#mask-clear");
    await page.click("#mask-toggle");
  }
  await page.click("#run-strip");
  await demo.says(/^The strip is done/);
  const { pixels } = await demo.downloaded("#strip-download");
  const one = (await demo.downloaded("#download")).pixels.length;
  expect(pixels.length).toBeGreaterThan(6 * one);
  const shown = await page.$$eval("#strip canvas", (all) =>
    all.map((canvas) => (canvas as HTMLCanvasElement).toDataURL()),
  );
  expect(new Set(shown).size).toBe(6);
  await page
    .locator("#strip button")
    .nth(GAMMA * 5)
    .click();
  expect(await demo.shown("gamma")).toBe(GAMMA.toFixed(2));
  await demo.says(/^Generating, /);
  await demo.says(/^Done/);
});

test("draws the grid of the pictures chosen, and keeps its results under them", async () => {
  const cells = () =>
    page.$$eval("#grid tbody td canvas", (all) => all.map((canvas) => (canvas as HTMLCanvasElement).width > 1));
  const pick = (n: number) => page.locator("#grid-contents button").nth(n).click();
  // A pair that is inverted already remains, so this takes one generation; figures show all.
  if (!FIGURES) {
    await page.locator("#grid-originals button").nth(6).click();
    await pick(2);
  }
  await page.click("#run-grid");
  if (!FIGURES) {
    await demo.says(/^Generating picture 1/);
    await pick(0);
  }
  await demo.says(/^The grid is done/);
  if (!FIGURES) {
    // The column that was put before it while it ran stays empty.
    expect(await cells()).toEqual([false, true]);
    expect(await page.isDisabled("#grid-download")).toBe(true);
    await pick(0);
    await page.locator("#content").getByText("Draw one").click();
    expect(await cells()).toEqual([true]);
    await page.locator("#content .thumb").nth(1).click();
  }
  const { pixels } = await demo.downloaded("#grid-download");
  if (!FIGURES) expect(pixels.length).toBe((await demo.downloaded("#download")).pixels.length);
  expect(new Set(pixels.filter((_, i) => i % 4 === 0)).size).toBeGreaterThan(8); // a picture, not a plain colour
});

test("stops when told to, by button and by key", async () => {
  if (FIGURES) {
    await shoot("light");
    await page.emulateMedia({ colorScheme: "dark" });
    await shoot("dark");
    await page.emulateMedia({ colorScheme: "light" });
  }
  await page.uncheck("#live");
  await demo.setSlider("steps", 7); // 50 steps
  await page.click("#run");
  await demo.says(/step \d+ of 50/);
  await page.click("#cancel");
  await demo.says(/^Cancelled/);
  await page.keyboard.press("Control+Enter");
  await demo.says(/step \d+ of 50/);
  await page.keyboard.press("Escape");
  await demo.says(/^Cancelled/);
});

test("after a reload, settings come from the link and weights from the browser's own files", async () => {
  const size = readFileSync(model!).length;
  const before = demo.seen.received("portraits64");
  expect(before).toBeGreaterThanOrEqual(size);
  const mask = new URL(page.url()).hash;
  await page.reload();
  await demo.says(/^Ready/);
  expect(demo.seen.received("portraits64") - before).toBeLessThan(0.5 * size);
  expect(await demo.shown("gamma")).toBe(GAMMA.toFixed(2));
  expect(await demo.shown("tBoost")).toBe(String(BOOST));
  expect(new URL(page.url()).hash).toBe(mask);
});

const folder = join("test", "golden", "more", "checkpoints", "unet_adm");

test("a model's folder that is chosen, and its files that are dropped, open", async () => {
  await page.click("#model-open");
  await page.setInputFiles("#model-folder", folder);
  await demo.says(/^Ready/);
  expect(await page.textContent("#model-name")).toMatch(/diffusion_pytorch_model · 16 × 16/);
  await page.click("#model-open");
  await page.click("#model-shipped");
  await demo.says(/^Ready/);
  const files = ["config.json", "diffusion_pytorch_model.safetensors"].map((name) => ({
    name,
    bytes: [...readFileSync(join(folder, "unet", name))],
  }));
  await page.evaluate((given) => {
    const dropped = new DataTransfer();
    for (const { name, bytes } of given) dropped.items.add(new File([Uint8Array.from(bytes)], name));
    document.body.dispatchEvent(new DragEvent("drop", { dataTransfer: dropped, bubbles: true, cancelable: true }));
  }, files);
  await demo.says(/^Ready/);
  expect(await page.textContent("#model-name")).toMatch(/diffusion_pytorch_model · 16 × 16/);
  await page.click("#model-open");
  await page.click("#model-shipped");
  await demo.says(/^Ready/);
});

test("fits a phone", async () => {
  await page.setViewportSize({ width: 390, height: 844 });
  const overflow = await page.evaluate(() => document.documentElement.scrollWidth - innerWidth);
  expect(overflow).toBeLessThanOrEqual(0);
  if (!FIGURES) return;
  await page.click("#run");
  await demo.says(/^Done/);
  await shoot("phone", false);
});

test("without a console error or a request to anywhere else", () => {
  expect(demo.seen.errors).toEqual([]);
  expect(demo.seen.strangers).toEqual([]);
});
