import { readFile } from "node:fs/promises";
import { basename, dirname } from "node:path";
import type { Browser, BrowserContext, Page } from "playwright-core";
import sharp from "sharp";
import { buildDemo } from "../../demo/build.mjs";
import { serve } from "../../demo/serve.mjs";
import type { InjectParameters, Square } from "../../src/node";
import { PARAMETERS, readPngText } from "../../src/platform/png-text";
import { launchChromium } from "./chromium";
import { keepDevices, type Watch, watch } from "./watch";

/** Milliseconds a software adapter may take for what a test waits for. */
export const PATIENCE = 420_000;

/** A PNG the page gave, and the parameters in its text. */
export interface Downloaded {
  readonly bytes: Buffer;
  readonly pixels: Buffer;
  readonly parameters: InjectParameters & {
    readonly stepsInversion: number;
    readonly mask?: readonly number[];
    readonly originalSquare?: Square;
  };
}

/** The demo, built and served, and a browser to drive it. */
export class Demo {
  private constructor(
    readonly server: Awaited<ReturnType<typeof serve>>,
    /** the page's own folder on the server: it works in any */
    readonly url: string,
    readonly browser: Browser,
    readonly context: BrowserContext,
    readonly seen: Watch,
    readonly page: Page,
  ) {}

  static async start(hash = ""): Promise<Demo> {
    const folder = await buildDemo();
    const server = await serve(dirname(folder));
    const url = `${server.url}${basename(folder)}/`;
    const browser = await launchChromium();
    const context = await browser.newContext({ viewport: { width: 1280, height: 900 }, acceptDownloads: true });
    const seen = watch(context, server.url);
    await keepDevices(context);
    const page = await context.newPage();
    page.setDefaultTimeout(60_000);
    await page.goto(`${url}#${hash}`);
    return new Demo(server, url, browser, context, seen, page);
  }

  async close(): Promise<void> {
    await this.browser.close();
    this.server.close();
  }

  /** Waits until the line under the pictures says this. */
  async says(text: RegExp): Promise<void> {
    await this.page.waitForFunction(
      (source) => new RegExp(source).test(document.getElementById("status")?.textContent ?? ""),
      text.source,
      { timeout: PATIENCE, polling: 50 },
    );
  }

  /** Collects from now on what that line says. @returns a function that tells it */
  async listen(): Promise<() => Promise<string[]>> {
    await this.page.evaluate(() => {
      const said: string[] = [];
      Object.assign(globalThis, { said });
      const line = document.getElementById("status")!;
      new MutationObserver(() => said.push(line.textContent ?? "")).observe(line, { childList: true });
    });
    return () => this.page.evaluate(() => (globalThis as unknown as { said: string[] }).said);
  }

  /** The notice, once it is there. */
  async notice(): Promise<string> {
    await this.page.waitForSelector("#notice:not([hidden])", { timeout: PATIENCE });
    return (await this.page.textContent("#notice-text")) ?? "";
  }

  async setSlider(id: string, value: number): Promise<void> {
    await this.page.locator(`#slider-${id}`).evaluate((element, v) => {
      (element as HTMLInputElement).value = String(v);
      element.dispatchEvent(new Event("input"));
    }, value);
  }

  /** What a slider shows beside its name. */
  shown(id: string): Promise<string | null> {
    return this.page.textContent(`output[for="slider-${id}"]`);
  }

  /** Presses a button of the page and reads the PNG it gives. */
  async downloaded(button: string): Promise<Downloaded> {
    const [file] = await Promise.all([this.page.waitForEvent("download"), this.page.click(button)]);
    const bytes = await readFile(await file.path());
    const pixels = await sharp(bytes).ensureAlpha().raw().toBuffer();
    return { bytes, pixels, parameters: JSON.parse(readPngText(bytes)[PARAMETERS] ?? "{}") };
  }
}
