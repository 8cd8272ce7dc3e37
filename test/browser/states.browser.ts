import { cpSync, readFileSync } from "node:fs";
import { join } from "node:path";
import type { BrowserContext, Page } from "playwright-core";
import sharp from "sharp";
import { afterAll, beforeAll, expect, test } from "vitest";
import { presets } from "../../src/inject/parameters";
import { Demo, PATIENCE } from "./demo-page";
import { loseDeviceWhen } from "./watch";

/** A checkpoint of another network, small, that does not say its resolution. */
const other = join("test", "golden", "ddpm_tiny_trained.weights.safetensors");
const picture = join("weights", "examples", "portrait-04.png");

let demo: Demo;
let page: Page;

beforeAll(async () => {
  demo = await Demo.start();
  ({ page } = demo);
  await demo.says(/^Ready/);
});

afterAll(() => demo?.close());

test("says that there is no GPU, begins with few steps, and shows an example of a result", async () => {
  expect(await page.textContent("#status")).toBe("Ready. There is no GPU here, so steps are slow.");
  expect([await demo.shown("steps"), await demo.shown("stepsInversion")]).toEqual(["20", "20"]);
  expect(await page.textContent("#result-note")).toContain(`γ ${presets.fast.gamma}. Press Inject`);
  expect(await page.isVisible("#result-frame.filled")).toBe(true);
});

/** What the page says where it cannot work, and whether it offers to try again. */
async function bareNotice(prepare: (context: BrowserContext) => Promise<unknown>, url = demo.url) {
  const context = await demo.browser.newContext();
  try {
    await prepare(context);
    const bare = await context.newPage();
    await bare.goto(url);
    await bare.waitForSelector("#notice:not([hidden])", { timeout: PATIENCE });
    return { text: await bare.textContent("#notice-text"), again: await bare.isVisible("#notice-action") };
  } finally {
    await context.unrouteAll({ behavior: "wait" });
    await context.close();
  }
}

test("says what to do where there is no WebGPU", async () => {
  const { text, again } = await bareNotice((context) =>
    context.addInitScript(() => Object.defineProperty(Navigator.prototype, "gpu", { get: () => undefined })),
  );
  expect(text).toMatch(/no WebGPU; use Chrome/);
  expect(again).toBe(false);
});

test("says what to do where there is no adapter", async () => {
  const { text, again } = await bareNotice((context) =>
    context.addInitScript(() => {
      if (typeof GPU !== "undefined") GPU.prototype.requestAdapter = async () => null;
    }),
  );
  expect(text).toMatch(/no GPU to run it on; turn on graphics acceleration/);
  expect(again).toBe(true);
});

test("says what to do in an insecure context", async () => {
  // The same files under an address that is neither https nor this computer.
  const serve = (context: BrowserContext) =>
    context.route("http://demo.example/**", async (route) => {
      const { pathname, search } = new URL(route.request().url());
      await route.fulfill({ response: await route.fetch({ url: `${demo.url}${pathname.slice(1)}${search}` }) });
    });
  const { text, again } = await bareNotice(serve, "http://demo.example/");
  expect(text).toMatch(/not a secure context.*open it over https, or on localhost/);
  expect(again).toBe(false);
});

test("says what to do when a model is too large for the adapter", async () => {
  const { text } = await bareNotice((context) =>
    context.addInitScript(() => {
      if (typeof GPUDevice === "undefined") return;
      const limits = Object.getOwnPropertyDescriptor(GPUDevice.prototype, "limits")!.get!;
      Object.defineProperty(GPUDevice.prototype, "limits", {
        get() {
          const real = limits.call(this) as GPUSupportedLimits;
          return new Proxy(real, {
            get: (of, name) =>
              name === "maxStorageBufferBindingSize"
                ? 65536
                : (of as unknown as Record<string | symbol, unknown>)[name],
          });
        },
      });
    }),
  );
  expect(text).toMatch(
    /too large for the GPU here: .* takes [\d.]+ MB, and one buffer may have 0\.1 MB. Choose a smaller model/,
  );
});

test("says what to do when memory runs out", async () => {
  await page.evaluate(() => {
    const { testDevices } = globalThis as unknown as { testDevices: GPUDevice[] };
    const error = new GPUOutOfMemoryError("allocation failed");
    testDevices.at(-1)?.dispatchEvent(new GPUUncapturedErrorEvent("uncapturederror", { error }));
  });
  expect(await demo.notice()).toMatch(/ran out of memory. Use fewer inversion steps/);
  await page.click("#notice-action");
  await demo.says(/^Ready/);
});

test("offers to go on when the device is lost while nothing runs", async () => {
  await loseDeviceWhen(page, /^Link copied|^Copy the link/);
  await page.click("#share");
  expect(await demo.notice()).toMatch(/^The GPU went away/);
  expect(await page.textContent("#notice-action")).toBe("Resume");
  await page.click("#notice-action");
  await demo.says(/^Ready/);
});

test("takes pictures that are picked, dropped and pasted, and refuses what is none", async () => {
  const label = (role: string) => page.getAttribute(`#${role} .frame canvas`, "aria-label");
  await page.setInputFiles("#content input[type=file]", picture);
  await expect.poll(() => label("content")).toBe("content: portrait-04.png");
  const give = (kind: "drop" | "paste", name: string, type: string, bytes: Buffer) =>
    page.evaluate(
      ({ kind, name, type, base64 }) => {
        const data = new DataTransfer();
        data.items.add(new File([Uint8Array.from(atob(base64), (c) => c.charCodeAt(0))], name, { type }));
        const original = document.getElementById("original")!;
        if (kind === "drop") original.dispatchEvent(new DragEvent("drop", { dataTransfer: data, cancelable: true }));
        else document.dispatchEvent(new ClipboardEvent("paste", { clipboardData: data }));
      },
      { kind, name, type, base64: bytes.toString("base64") },
    );
  const png = readFileSync(picture);
  await give("drop", "dropped.png", "image/png", png);
  await expect.poll(() => label("original")).toBe("original: dropped.png");
  await give("paste", "pasted.png", "image/png", png);
  await expect.poll(() => label("content")).toBe("content: pasted.png");
  await give("drop", "broken.png", "image/png", Buffer.from("no picture"));
  expect(await demo.notice()).toMatch(/^broken\.png: is damaged or not a picture the browser can show/);
  expect(await label("original")).toBe("original: dropped.png");
  const [chooser] = await Promise.all([page.waitForEvent("filechooser"), page.click("#notice-action")]);
  await chooser.setFiles(picture);
  await expect.poll(() => label("original")).toBe("original: portrait-04.png");
  await give("drop", "notes.txt", "text/plain", Buffer.from("no picture either"));
  expect(await demo.notice()).toMatch(/^notes\.txt: is damaged or not a picture/);
  await page.click("#notice-close");
});

test("takes a picture dropped beside the slots, instead of leaving the page for it", async () => {
  const base64 = readFileSync(picture).toString("base64");
  const prevented = await page.evaluate((base64) => {
    const dataTransfer = new DataTransfer();
    const bytes = Uint8Array.from(atob(base64), (c) => c.charCodeAt(0));
    dataTransfer.items.add(new File([bytes], "beside.png", { type: "image/png" }));
    return ["dragover", "drop"].map((type) => {
      const event = new DragEvent(type, { dataTransfer, cancelable: true, bubbles: true });
      document.getElementById("result")!.dispatchEvent(event);
      return event.defaultPrevented;
    });
  }, base64);
  expect(prevented).toEqual([true, true]);
  await expect.poll(() => page.getAttribute("#content .frame canvas", "aria-label")).toBe("content: beside.png");
});

test("draws a phone's photo small once, and takes it off the page again", async () => {
  const photo = await sharp({ create: { width: 4000, height: 3000, channels: 3, background: "#836" } })
    .jpeg()
    .toBuffer();
  const thumbs = () => page.locator("#original .thumb").count();
  const before = await thumbs();
  await page.setInputFiles("#original input[type=file]", { name: "photo.jpg", mimeType: "image/jpeg", buffer: photo });
  await expect
    .poll(() => page.textContent("#original .note"), { timeout: 60_000 })
    .toMatch(/^Only the centre square of 4000 × 3000/);
  await page.evaluate(() => {
    const { drawImage } = CanvasRenderingContext2D.prototype;
    const drawn: number[] = [];
    Object.assign(globalThis, { drawn });
    CanvasRenderingContext2D.prototype.drawImage = function (this: unknown, ...all: unknown[]) {
      drawn.push((all[0] as HTMLCanvasElement).width);
      return (drawImage as (...all: unknown[]) => void).apply(this, all);
    } as typeof drawImage;
  });
  await page.locator("#content").getByText("Draw one").click();
  await page.click("#swap");
  await page.click("#swap");
  await page.locator("#grid-contents .thumb").nth(4).click();
  const drawn = await page.evaluate(() => (globalThis as unknown as { drawn: number[] }).drawn);
  expect(drawn.length).toBeGreaterThan(3);
  expect(Math.max(...drawn)).toBeLessThanOrEqual(1200);
  expect(drawn.length).toBeLessThan(20); // not every thumbnail anew
  await page.locator("#original").getByText("Remove").click();
  expect(await thumbs()).toBe(before + 1); // the drawn one remains
  expect(await page.getAttribute("#original .frame canvas", "aria-label")).toMatch(/^original: drawn portrait/);
  await page.locator("#original").getByText("Remove").click();
  await page.locator("#original .thumb").first().click();
  expect(await page.locator("#original").getByText("Remove").isVisible()).toBe(false);
});

test("each row of thumbnails is one tab stop; arrows choose, Delete removes, the choice shows in forced colours", async () => {
  const stops = await page.$$eval(".thumbs", (rows) =>
    rows.map((row) => row.querySelectorAll('.thumb[tabindex="0"]').length).filter((_, i) => rows[i]!.childElementCount),
  );
  expect(stops).toEqual(stops.map(() => 1));
  const checked = () =>
    page.locator("#original .thumb").evaluateAll((all) => all.findIndex((b) => b.ariaChecked === "true"));
  await page.locator("#original .thumb").first().click();
  await page.keyboard.press("ArrowRight");
  expect(await checked()).toBe(1);
  await page.keyboard.press("Delete");
  await demo.says(/come with the page stay/);
  await page.emulateMedia({ forcedColors: "active" });
  const ring = await page.$eval('#original .thumb[aria-checked="true"]', (b) => getComputedStyle(b).outlineStyle);
  await page.emulateMedia({ forcedColors: "none" });
  expect(ring).not.toBe("none");
});

test("paints the mask by keyboard, cell by cell, into the link", async () => {
  await page.click("#mask-toggle");
  await page.focus("#mask");
  for (const key of ["ArrowRight", "ArrowDown", "Space"]) await page.keyboard.press(key);
  await demo.says(/^Row 2, column 2: 100 %/);
  const mask = () => new URLSearchParams(new URL(page.url()).hash.slice(1)).get("mask");
  const side = Math.sqrt(mask()!.length / 2);
  const cells = Array.from({ length: side * side }, (_, i) => (i === side + 1 ? "ff" : "00"));
  expect(mask()).toBe(cells.join(""));
  await page.click("#mask-clear");
  expect(mask()).toBeNull();
});

test("loads a checkpoint by file and by address, with what its weights do not tell", async () => {
  cpSync(other, join("dist", "demo", "other.safetensors"));
  await page.click("#model-open");
  await page.click("#model-dialog summary");
  await page.fill("#model-side", "32");
  await page.setInputFiles("#model-file", other);
  await demo.says(/^Ready/);
  expect(await page.textContent("#model-name")).toMatch(/^ddpm_tiny_trained.weights · 32 × 32/);
  const said = await demo.listen();
  await page.click("#model-open");
  await page.fill("#model-url", "./other.safetensors");
  await page.click("#model-form button");
  await demo.says(/^Ready/);
  expect(await page.textContent("#model-name")).toMatch(/^other · 32 × 32/);
  expect((await said()).filter((text) => /^Loading the model: [\d.]+ of 4\.5 MB/.test(text))).not.toEqual([]);
  await page.click("#model-open");
  await page.fill("#model-url", "./missing.safetensors");
  await page.click("#model-form button");
  expect(await demo.notice()).toMatch(/missing\.safetensors.*404/);
  await page.click("#notice-close");
  expect(await page.textContent("#model-name")).toMatch(/^other · 32 × 32/);
});

/** 320 x 200 pixels whose colours tell where they are. */
async function wide(): Promise<{ png: Buffer; raw: Buffer }> {
  const raw = Buffer.from(
    Array.from({ length: 320 * 200 }, (_, i) => [(i % 320) / 2, Math.floor(i / 320), 128]).flat(),
  );
  return {
    raw,
    png: await sharp(raw, { raw: { width: 320, height: 200, channels: 3 } })
      .png()
      .toBuffer(),
  };
}

test("places a photo by dragging, turning, and by both eyes; puts the result back into it", async () => {
  const { png, raw } = await wide();
  const note = () => page.textContent("#original .note");
  await page.setInputFiles("#original input[type=file]", { name: "wide.png", mimeType: "image/png", buffer: png });
  await expect.poll(note).toMatch(/^Only the centre square of 320 × 200 pixels is used/);
  await page.locator("#original").getByText("Place…").click();
  const box = (await page.locator("#place-canvas").boundingBox())!;
  const at = (x: number, y: number) => [box.x + (x * box.width) / 320, box.y + (y * box.height) / 200] as const;
  const size = async () => Number.parseInt((await page.textContent("#place-size-value"))!, 10);
  await page.mouse.move(...at(160, 100));
  await page.mouse.wheel(0, -400);
  await expect.poll(size).toBeLessThan(120);
  const eyes = page.locator("#place-eyes");
  await eyes.click();
  await page.mouse.click(...at(140, 90));
  await page.mouse.click(...at(164, 90));
  expect(await eyes.getAttribute("aria-pressed")).toBe("false");
  expect(Math.abs((await size()) - 96)).toBeLessThanOrEqual(3);
  await page.mouse.move(...at(160, 100));
  await page.mouse.down();
  await page.mouse.move(...at(180, 110), { steps: 3 });
  await page.mouse.up();
  await page.locator("#place-canvas").press("]");
  expect(await page.textContent("#place-angle-value")).toMatch(/^(0\.[0-9]|1(\.[0-9])?|2)°$/);
  await page.click("#place-use");
  await expect.poll(note).toMatch(/^Placed: a square of 9\d of 320 × 200 pixels is used/);

  await demo.setSlider("steps", 0);
  await demo.setSlider("stepsInversion", 0);
  await page.click("#run");
  await demo.says(/^Done/);
  await page.selectOption("#download-size", "photo");
  const { pixels, parameters } = await demo.downloaded("#download");
  const { x, y, size: side } = parameters.originalSquare!;
  expect([Math.abs(x - 172) < 4, Math.abs(y - 102.5) < 4, Math.abs(side - 96) < 3]).toEqual([true, true, true]);
  expect(pixels.length).toBe(320 * 200 * 4);
  const changed = { inside: 0, outside: 0 };
  for (let i = 0; i < 320 * 200; i++) {
    const far = Math.max(Math.abs((i % 320) - x), Math.abs(Math.floor(i / 320) - y)) > 0.55 * side;
    const differs = [0, 1, 2].some((c) => pixels[4 * i + c] !== raw[3 * i + c]);
    if (differs) changed[far ? "outside" : "inside"]++;
  }
  expect(changed.outside).toBe(0);
  expect(changed.inside).toBeGreaterThan(0.5 * side * side);
});

test("the model in use stays when another fails to load", async () => {
  await page.click("#model-open");
  await page.setInputFiles("#model-file", picture);
  expect(await demo.notice()).toMatch(/portrait-04\.png: is an image, not a checkpoint/);
  await page.click("#notice-close");
  await page.click("#run");
  await demo.says(/^Done/);
  await page.click("#model-open");
  await page.click("#model-shipped");
  await demo.says(/^Ready/);
});

test("gives every control a name, and keeps nothing from the keyboard", async () => {
  const session = await demo.context.newCDPSession(page);
  const { nodes } = await session.send("Accessibility.getFullAXTree");
  const controls =
    /^(button|radio|slider|spinbutton|textbox|checkbox|combobox|application|image|table|dialog|progressbar)$/;
  const found = nodes.filter((node) => !node.ignored && controls.test(String(node.role?.value)));
  expect(found.length).toBeGreaterThan(40);
  expect(found.filter((node) => !node.name?.value).map((node) => node.role?.value)).toEqual([]);
  const unreachable = await page.$$eval("button, input, select", (elements) =>
    (elements as HTMLInputElement[])
      // Arrow keys lead to the other buttons of a row that holds a tab stop.
      .filter((e) => !e.closest(".thumbs")?.querySelector('[tabindex="0"]'))
      .filter((e) => e.checkVisibility() && !e.disabled && e.tabIndex < 0 && e.type !== "file")
      .map((e) => e.outerHTML),
  );
  expect(unreachable).toEqual([]);
});

test("runs no script and parses no markup that it did not bring", async () => {
  const [policy] = await page.$$eval("meta[http-equiv=Content-Security-Policy]", (metas) =>
    metas.map((meta) => (meta as HTMLMetaElement).content),
  );
  for (const part of ["default-src 'none'", "script-src 'self'", "require-trusted-types-for 'script'"])
    expect(policy).toContain(part);
  const refused = await page.evaluate(() => {
    try {
      document.createElement("p").innerHTML = "<b>markup</b>";
      return "parsed";
    } catch (error) {
      return (error as Error).name;
    }
  });
  expect(refused).toBe("TypeError");
});

test("without a request to anywhere else, or an error that was not provoked", () => {
  const provoked = /404|TrustedHTML|trusted type/i;
  expect(demo.seen.errors.filter((text) => !provoked.test(text))).toEqual([]);
  expect(demo.seen.strangers).toEqual([]);
});
