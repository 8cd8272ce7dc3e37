import { existsSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { constants, homedir } from "node:os";
import { dirname, join } from "node:path";
import { isMainThread } from "node:worker_threads";
import { UserError } from "../errors";
import { DRIVER, findArchive, unpackedDriver } from "./software-driver";

/** Advice for a user who has neither a GPU nor a software adapter. */
export const softwareAdapterHint = "npm install @sparticuz/chromium (it carries a software Vulkan driver)";

const LOADER = "libvulkan.so.1";
const RTLD_NODELETE = 0x1000;

/** Is a library of this name mapped, by whichever thread? */
const isMapped = (name: string): boolean => readFileSync("/proc/self/maps", "utf8").includes(`/${name}`);

/** Makes SwiftShader, from the optional package `@sparticuz/chromium`, the Vulkan driver of this process. Linux only.
 *  The driver is mapped in place of a Vulkan loader, which Dawn then finds by its name. Where a loader of the system is
 *  mapped already it cannot be replaced, and is pointed to the driver through the environment; worker threads have a copy
 *  of the environment only, which no library sees.
 *  @returns false where the package is not installed or this is not Linux
 *  @throws UserError where the driver cannot be mapped */
export async function useSoftwareAdapter(): Promise<boolean> {
  if (process.platform !== "linux") return false;
  if (isMapped(DRIVER)) return true;
  const archive = findArchive();
  if (!archive) return false;
  const { library, manifest, temporary } = await unpackedDriver(archive);
  if (isMapped(LOADER)) {
    if (!isMainThread)
      throw new UserError(
        "no WebGPU adapter: the Vulkan loader of this system found no GPU, and a worker thread cannot point it to the software driver; open a device in the main thread first, or set INJECTFUSION_ADAPTER=software",
      );
    process.env.VK_DRIVER_FILES = manifest;
    return true;
  }
  try {
    process.dlopen({ exports: {} }, library, constants.dlopen.RTLD_NOW | constants.dlopen.RTLD_GLOBAL | RTLD_NODELETE);
  } catch (error) {
    // A driver does not register as a Node addon, so this always throws. RTLD_NODELETE keeps it mapped.
    const [line] = (error as Error).message.split("\n");
    if (!isMapped(DRIVER)) throw new UserError(`no WebGPU adapter: the software driver cannot be loaded (${line})`);
  }
  if (temporary) rmSync(dirname(library), { recursive: true, force: true }); // now, lest a killed process leave it
  return true;
}

/** Can this process reach a Vulkan driver of the system? Dawn would find out too, but reports failure on stderr. */
export function hasVulkanLoader(): boolean {
  if (process.platform !== "linux") return true; // Metal and D3D12 need none
  if (isMapped(DRIVER)) return false; // mapped under the loader's name
  if (!isMainThread && !hasManifest()) return false; // a loader without drivers would only be in the way
  try {
    process.dlopen({ exports: {} }, LOADER, constants.dlopen.RTLD_LAZY);
  } catch (error) {
    return !/cannot open shared object/.test((error as Error).message);
  }
  return true;
}

/** Is a Vulkan driver installed where loaders look for one? */
function hasManifest(): boolean {
  const { env } = process;
  if (env.VK_DRIVER_FILES || env.VK_ICD_FILENAMES || env.VK_ADD_DRIVER_FILES) return true;
  const list = (value: string | undefined, usual: string) => (value || usual).split(":");
  const bases = [
    ...list(env.XDG_CONFIG_HOME, join(homedir(), ".config")),
    ...list(env.XDG_CONFIG_DIRS, "/etc/xdg"),
    ...list(env.XDG_DATA_HOME, join(homedir(), ".local", "share")),
    ...list(env.XDG_DATA_DIRS, "/usr/local/share:/usr/share"),
    "/etc",
    "/usr/local/etc",
    "/run/opengl-driver/share",
  ];
  return bases.some((base) => {
    const folder = join(base, "vulkan", "icd.d");
    return existsSync(folder) && readdirSync(folder).some((name) => name.endsWith(".json"));
  });
}
