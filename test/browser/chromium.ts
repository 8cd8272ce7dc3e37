import { constants } from "node:os";
import { type Browser, chromium as playwright } from "playwright-core";

/** WebGPU on the software adapter that Chromium carries, and nothing that phones home. */
const flags = [
  "--headless",
  "--no-sandbox",
  "--disable-quic",
  "--no-first-run",
  "--disable-background-networking",
  "--disable-component-update",
  "--disable-sync",
  "--enable-unsafe-webgpu",
  "--use-webgpu-adapter=swiftshader",
  "--enable-features=Vulkan",
];

/** The Chromium of `@sparticuz/chromium`, unpacked once into the temporary folder. */
export async function launchChromium(): Promise<Browser> {
  // The package carries the libraries that bare machines lack too, but unpacks them only where it thinks it must.
  if (!hasLibrary("libnss3.so")) process.env.CODEBUILD_BUILD_IMAGE ??= "nodejs22";
  const { default: chromium } = await import("@sparticuz/chromium");
  return playwright.launch({ executablePath: await chromium.executablePath(), args: flags, headless: true });
}

function hasLibrary(name: string): boolean {
  try {
    process.dlopen({ exports: {} }, name, constants.dlopen.RTLD_LAZY);
  } catch (error) {
    return !/cannot open shared object/.test((error as Error).message);
  }
  return true;
}
