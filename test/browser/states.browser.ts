import { cpSync, readFileSync } from "node:fs";
import { join } from "node:path";
import type { BrowserContext, Page } from "playwright-core";
import { afterAll, beforeAll, expect, test } from "vitest";
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

/** What the page says where it cannot work, and whether it offers to try again. */
async function bareNotice(prepare: (context: BrowserContext) => Promise<unknown>, url = demo.server.url) {
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
      await route.fulfill({ response: await route.fetch({ url: `${demo.server.url}${pathname.slice(1)}${search}` }) });
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
  await page.click("#notice-close");
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
  await page.click("#model-open");
  await page.click("#model-shipped");
  await demo.says(/^Ready/);
});

test("gives every control a name, and keeps nothing from the keyboard", async () => {
  const session = await demo.context.newCDPSession(page);
  const { nodes } = await session.send("Accessibility.getFullAXTree");
  const controls = /^(button|slider|spinbutton|textbox|checkbox|combobox|application|image|table|dialog|progressbar)$/;
  const found = nodes.filter((node) => !node.ignored && controls.test(String(node.role?.value)));
  expect(found.length).toBeGreaterThan(40);
  expect(found.filter((node) => !node.name?.value).map((node) => node.role?.value)).toEqual([]);
  const unreachable = await page.$$eval("button, input, select", (elements) =>
    (elements as HTMLInputElement[])
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
