import type { BrowserContext, Page } from "playwright-core";

/** What went wrong in a page, and what it asked the network for. */
export interface Watch {
  readonly errors: string[];
  /** requests to anywhere but the page's own server */
  readonly strangers: string[];
  /** bytes received of files whose address holds this text */
  received(text: string): number;
}

/** Records console errors, uncaught errors and requests of every page of a context. */
export function watch(context: BrowserContext, origin: string): Watch {
  const errors: string[] = [];
  const strangers: string[] = [];
  const sizes: { url: string; bytes: number }[] = [];
  context.on("page", (page) => {
    page.on("console", (message) => {
      if (message.type() === "error") errors.push(message.text());
    });
    page.on("pageerror", (error) => errors.push(error.message));
  });
  context.on("request", (request) => {
    const url = request.url();
    if (!url.startsWith(origin) && !/^(?:blob|data):/.test(url)) strangers.push(url);
  });
  context.on("response", (response) => {
    const bytes = Number(response.headers()["content-length"] ?? 0);
    sizes.push({ url: response.url(), bytes });
  });
  return {
    errors,
    strangers,
    received: (text) => sizes.filter(({ url }) => url.includes(text)).reduce((sum, { bytes }) => sum + bytes, 0),
  };
}

/** Keeps every GPU device that pages of this context open, for `loseDevice`. */
export async function keepDevices(context: BrowserContext): Promise<void> {
  await context.addInitScript(() => {
    if (typeof GPUAdapter === "undefined") return; // about:blank
    const devices: GPUDevice[] = [];
    Object.assign(globalThis, { testDevices: devices });
    const { requestDevice } = GPUAdapter.prototype;
    GPUAdapter.prototype.requestDevice = async function (descriptor) {
      const device = await requestDevice.call(this, descriptor);
      devices.push(device);
      return device;
    };
  });
}

/** Destroys the newest device of a page, as a driver's reset would, once the line under the pictures says this. */
export const loseDeviceWhen = (page: Page, text: RegExp): Promise<void> =>
  page.evaluate((source) => {
    const { testDevices } = globalThis as unknown as { testDevices: GPUDevice[] };
    const line = document.getElementById("status")!;
    const observer = new MutationObserver(() => {
      if (!new RegExp(source).test(line.textContent ?? "")) return;
      observer.disconnect();
      testDevices.at(-1)?.destroy();
    });
    observer.observe(line, { childList: true });
  }, text.source);
