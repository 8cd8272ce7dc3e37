import { UserError } from "../errors";
import {
  checkDeviceOptions,
  type Device,
  type DeviceOptions,
  deviceFromAdapter,
  deviceFromCaller,
  isNullAdapter,
} from "./device";

/** Opens a device in a browser, in a page or a worker: the caller's own, else the browser's adapter.
 *  @throws UserError when the page may not use WebGPU, the browser has none, or it has no adapter. */
export async function openDevice(options: DeviceOptions = {}): Promise<Device> {
  checkDeviceOptions(options);
  if (options.device) return deviceFromCaller(options.device);
  const adapter = await requestAdapter(options);
  try {
    return await deviceFromAdapter(adapter, () => openDevice(options));
  } catch (error) {
    throw new UserError(
      `the WebGPU adapter gave no device (${firstLine(error)}); close other pages that use the GPU and reload`,
    );
  }
}

async function requestAdapter({ powerPreference }: DeviceOptions): Promise<GPUAdapter> {
  if (globalThis.isSecureContext === false)
    throw new UserError(
      "this page is not a secure context, so the browser keeps WebGPU from it; open it over https, or on localhost",
    );
  const gpu: GPU | undefined = globalThis.navigator?.gpu;
  if (!gpu)
    throw new UserError(
      "this browser has no WebGPU; use Chrome or Edge from 113, Safari from 26, or Firefox from 141 on Windows",
    );
  // Asked with a preference first; some browsers have an adapter only when asked without one.
  const found =
    (await gpu.requestAdapter({ powerPreference: powerPreference ?? "high-performance" })) ??
    (await gpu.requestAdapter());
  if (!found || isNullAdapter(found.info))
    throw new UserError(
      "this browser has WebGPU but no GPU to run it on; turn on graphics acceleration in its settings and update the graphics driver",
    );
  return found;
}

const firstLine = (error: unknown): string =>
  (error instanceof Error ? error.message : String(error)).split("\n", 1)[0] ?? "";
