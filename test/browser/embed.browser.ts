import { cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, test } from "vitest";
import { buildBrowser } from "../../demo/build.mjs";
import { serve } from "../../demo/serve.mjs";
import { launchChromium } from "./chromium";
import { watch } from "./watch";

test("the example of an embedded element draws its result", async () => {
  const folder = mkdtempSync(join(tmpdir(), "injectfusion-embed-"));
  mkdirSync(join(folder, "examples"));
  const page = readFileSync("examples/embed.html", "utf8");
  expect(page.split("\n").length).toBeLessThan(45);
  writeFileSync(join(folder, "examples", "embed.html"), page.replace('steps="20"', 'steps="2"'));
  await buildBrowser(join(folder, "dist"));
  cpSync("weights/portraits64.safetensors", join(folder, "weights", "portraits64.safetensors"));
  cpSync("weights/examples", join(folder, "weights", "examples"), { recursive: true });
  // An embedding page allows its own inline script, as any page on a plain static host does.
  const server = await serve(folder, 0, { "Content-Security-Policy": "default-src 'self' 'unsafe-inline'" });
  const browser = await launchChromium();
  try {
    const context = await browser.newContext();
    const seen = watch(context, server.url);
    const tab = await context.newPage();
    await tab.goto(`${server.url}examples/embed.html`);
    await tab.waitForFunction(
      () => /^(invert|generate) \d\/2$/.test(document.querySelector("inject-fusion")?.textContent ?? ""),
      undefined,
      { timeout: 300_000 },
    );
    await tab.waitForSelector("inject-fusion canvas", { timeout: 300_000 });
    const colours = await tab.$eval("inject-fusion canvas", (element) => {
      const canvas = element as HTMLCanvasElement;
      const { data } = canvas.getContext("2d")!.getImageData(0, 0, canvas.width, canvas.height);
      return { width: canvas.width, different: new Set(new Uint32Array(data.buffer)).size };
    });
    expect(colours.width).toBe(64);
    expect(colours.different).toBeGreaterThan(500);
    expect(seen.errors.filter((text) => !/favicon|404/.test(text))).toEqual([]);
    expect(seen.strangers).toEqual([]);
  } finally {
    await browser.close();
    server.close();
    rmSync(folder, { recursive: true, force: true });
  }
});
