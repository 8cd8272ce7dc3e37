import { createReadStream, existsSync, mkdirSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { constants, homedir, tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { createBrotliDecompress } from "node:zlib";

/** What to tell a user who has no GPU and no software adapter. */
export const softwareAdapterHint = "npm install @sparticuz/chromium (it carries a software Vulkan driver)";

const RTLD_NODELETE = 0x1000;

/** Makes SwiftShader, from the optional package `@sparticuz/chromium`, the Vulkan driver of this process: unpacks the
 *  driver and a Vulkan loader into a cache folder once, and maps the loader so that Dawn finds it. Linux only.
 *  @returns false where the package is not installed or this is not Linux. */
export async function useSoftwareAdapter(): Promise<boolean> {
  if (process.platform !== "linux") return false;
  const archive = findArchive();
  if (!archive) return false;
  const folder = await unpackOnce(archive);
  process.env.VK_DRIVER_FILES = join(folder, "vk_swiftshader_icd.json");
  const flags = constants.dlopen.RTLD_NOW | constants.dlopen.RTLD_GLOBAL | RTLD_NODELETE;
  try {
    process.dlopen({ exports: {} }, join(folder, "libvulkan.so.1"), flags);
  } catch {
    // Always thrown: a Vulkan loader does not register as a Node addon. RTLD_NODELETE keeps it mapped.
  }
  return true;
}

/** Whether this process can reach a Vulkan driver. Dawn would find out too, but says so on stderr. */
export function hasVulkanLoader(): boolean {
  if (process.platform !== "linux") return true; // Metal and D3D12 need none
  try {
    process.dlopen({ exports: {} }, "libvulkan.so.1", constants.dlopen.RTLD_LAZY);
  } catch (error) {
    return !/cannot open shared object/.test((error as Error).message);
  }
  return true;
}

function findArchive(): string | undefined {
  try {
    const main = createRequire(import.meta.url).resolve("@sparticuz/chromium");
    const archive = join(dirname(main), "..", "..", "bin", "swiftshader.tar.br");
    return existsSync(archive) ? archive : undefined;
  } catch {
    return undefined;
  }
}

/** The cache folder of this engine: `$XDG_CACHE_HOME/injectfusion`, else `~/.cache/injectfusion`, else the temp folder. */
export function cacheFolder(): string {
  const candidates = [process.env.XDG_CACHE_HOME, join(homedir(), ".cache"), tmpdir()];
  for (const base of candidates) {
    if (!base) continue;
    try {
      const folder = join(base, "injectfusion");
      mkdirSync(folder, { recursive: true });
      return folder;
    } catch {
      // not writable: the next one
    }
  }
  return tmpdir();
}

async function unpackOnce(archive: string): Promise<string> {
  const version = createRequire(import.meta.url)(join(dirname(archive), "..", "package.json")).version as string;
  const folder = join(cacheFolder(), `swiftshader-${version}`);
  if (existsSync(join(folder, "libvulkan.so.1"))) return folder;
  const chunks: Buffer[] = [];
  for await (const chunk of createReadStream(archive).pipe(createBrotliDecompress())) chunks.push(chunk as Buffer);
  const partial = `${folder}.${process.pid}`;
  mkdirSync(partial, { recursive: true });
  for (const { name, body } of tarFiles(Buffer.concat(chunks)))
    writeFileSync(join(partial, name), body, { mode: 0o755 });
  try {
    renameSync(partial, folder);
  } catch {
    rmSync(partial, { recursive: true, force: true }); // another process was first
  }
  return folder;
}

/** The plain files of a tar archive, folders flattened away. */
function* tarFiles(tar: Buffer): Generator<{ name: string; body: Buffer }> {
  for (let at = 0; at + 512 <= tar.length && tar[at] !== 0; ) {
    const text = (from: number, length: number) =>
      tar.toString("latin1", at + from, at + from + length).replace(/\0.*$/s, "");
    const size = Number.parseInt(text(124, 12), 8);
    const type = text(156, 1);
    if (type === "0" || type === "")
      yield { name: text(0, 100).split("/").pop()!, body: tar.subarray(at + 512, at + 512 + size) };
    at += 512 + Math.ceil(size / 512) * 512;
  }
}
