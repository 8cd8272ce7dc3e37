import { UserError } from "../errors";
import {
  checkDeviceOptions,
  type Device,
  type DeviceOptions,
  deviceFromAdapter,
  deviceFromCaller,
  isNullAdapter,
} from "./device";
import { hasVulkanLoader, softwareAdapterHint, useSoftwareAdapter } from "./software-adapter";

/** Opens a device in Node: the caller's own; else a real adapter; else, on Linux, the software adapter that the optional
 *  package `@sparticuz/chromium` carries. `INJECTFUSION_ADAPTER=software` skips the search for a real one, and
 *  `INJECTFUSION_BOUNDS=1` leaves bounds checks on there (docs/security.md).
 *  @throws UserError when there is no adapter at all. */
export async function openDevice(options: DeviceOptions = {}): Promise<Device> {
  checkDeviceOptions(options);
  if (options.device) return deviceFromCaller(options.device);
  const forced = process.env.INJECTFUSION_ADAPTER === "software";
  const real = forced || ownDriver || !hasVulkanLoader() ? undefined : await request(options, "system");
  if (real) return real;
  const unpacked = await useSoftwareAdapter();
  const software = unpacked ? await request(options, "own") : undefined;
  ownDriver ||= software !== undefined;
  if (software) return software;
  throw new UserError(
    unpacked
      ? "no WebGPU adapter: there is no GPU driver, and the software driver could not be started"
      : `no WebGPU adapter found; install a GPU driver (Vulkan, Metal or D3D12), or: ${softwareAdapterHint}`,
  );
}

/** Without robustness no index is checked or clamped, and loads on the software adapter take two thirds of the time. Only
 *  our own shaders run there, and docs/security.md says why none leaves its tensors, whatever the model. */
const softwareFeatures = (): string => (process.env.INJECTFUSION_BOUNDS === "1" ? "" : ",disable_robustness");

/** Whose Vulkan drivers an instance of Dawn sees: the system's, or the software adapter that we brought. */
type Drivers = "system" | "own";

/** The only driver this process can reach is the software adapter. */
let ownDriver = false;

/** f16 is off in Dawn on NVIDIA's Vulkan drivers unless asked for; the engine uses it in variants that are checked before
 *  they are used. Timestamps are for profiles, which a page could misuse and a process of one's own could not. */
async function request(options: DeviceOptions, drivers: Drivers): Promise<Device | undefined> {
  const gpu = await instance(drivers, drivers === "own" ? softwareFeatures() : "");
  const powerPreference = options.powerPreference ?? "high-performance";
  const adapter = await gpu.requestAdapter({ powerPreference });
  if (!adapter || isNullAdapter(adapter.info)) return undefined;
  return deviceFromAdapter(adapter, () => openDevice(options));
}

/** Dawn, once for each set of drivers and features and for the life of the process. It looks for drivers only once. Its
 *  polling, which a garbage collector does not see, goes on for a while after the last device is destroyed, and in a collected
 *  instance ends in a crash or a deadlock. */
async function instance(drivers: Drivers, features: string): Promise<GPU> {
  const key = drivers + features;
  const { create, globals } = await import("webgpu").catch((error: Error) => {
    const [line] = error.message.trim().split("\n");
    throw new UserError(`the package webgpu does not load (${line}); try: npm install webgpu`);
  });
  let gpu = instances.get(key);
  if (gpu) return gpu;
  for (const [name, value] of Object.entries(globals))
    if (!(name in globalThis)) Object.assign(globalThis, { [name]: value });
  gpu = create([
    `enable-dawn-features=allow_unsafe_apis,vulkan_enable_f16_on_nvidia${features}`,
    "disable-dawn-features=timestamp_quantization",
  ]);
  instances.set(key, gpu);
  return gpu;
}

const instances = new Map<string, GPU>();
