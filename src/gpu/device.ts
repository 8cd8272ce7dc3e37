import { DeviceLostError, UserError } from "../errors";
import type { MatrixConfig, Target } from "../kernels/conv/variants";
import { patiently } from "./patience";
import { PipelineCache } from "./pipelines";
import { StagingPool } from "./staging";

/** What Chromium tells of an adapter beyond the standard. */
interface AdapterInfo extends GPUAdapterInfo {
  readonly subgroupMatrixConfigs?: readonly {
    readonly componentType: string;
    readonly resultComponentType: string;
    readonly M: number | bigint;
    readonly N: number | bigint;
    readonly K: number | bigint;
  }[];
}

export interface DeviceOptions {
  /** Use this device instead of opening one. It stays the caller's: `destroy()` leaves it alone. */
  readonly device?: GPUDevice;
  readonly powerPreference?: GPUPowerPreference;
}

/** Features the engine uses where the adapter has them; none is required. */
const wanted: readonly string[] = [
  "timestamp-query",
  "subgroups",
  "shader-f16",
  "chromium-experimental-subgroup-matrix",
];

/** Limits the engine raises to what the adapter offers. */
const raised = [
  "maxBufferSize",
  "maxStorageBufferBindingSize",
  "maxComputeInvocationsPerWorkgroup",
  "maxComputeWorkgroupSizeX",
  "maxComputeWorkgroupStorageSize",
] as const;

/** What runs the kernels: classes differ in which variant of a kernel is fastest. */
export type AdapterClass = "software" | "gpu";

/** An open WebGPU device with its pipelines. Destroy it when done: in Node a live device keeps the process alive. */
export class Device {
  readonly pipelines: PipelineCache;
  readonly staging: StagingPool;
  /** Rejects when the device is lost; `wait` does then, too. */
  readonly lost: Promise<never>;
  #gone: DeviceLostError | undefined;
  #owned: boolean;
  /** Rejects the promises of `wait`. A race with `lost` would leave a reaction on it for as long as the device lives. */
  readonly #waiting = new Set<(reason: DeviceLostError) => void>();

  constructor(
    readonly gpu: GPUDevice,
    readonly info: GPUAdapterInfo,
    options: { owned: boolean },
  ) {
    this.#owned = options.owned;
    this.staging = new StagingPool(gpu);
    this.pipelines = new PipelineCache(gpu, (promise) => this.wait(promise));
    this.lost = gpu.lost.then((loss) => {
      this.#gone = new DeviceLostError(
        `the GPU device was lost (${loss.message || loss.reason}); open a new device and run again`,
      );
      for (const reject of this.#waiting) reject(this.#gone);
      throw this.#gone;
    });
    this.lost.catch(() => {});
  }

  get adapterClass(): AdapterClass {
    return /swiftshader|llvmpipe|lavapipe|software|microsoft basic render/i.test(this.description) ? "software" : "gpu";
  }

  /** Adapter in words: vendor, architecture, device, as far as the platform tells. */
  get description(): string {
    const { vendor, architecture, device, description } = this.info;
    return [...new Set([description, device, vendor, architecture].filter(Boolean))].join(", ") || "unnamed adapter";
  }

  has(feature: string): boolean {
    return this.gpu.features.has(feature as GPUFeatureName);
  }

  /** What subgroup matrices can multiply into f32 sums here; undefined without the feature. */
  get matrices(): Target["matrices"] {
    if (!this.has("chromium-experimental-subgroup-matrix") || !this.has("subgroups")) return undefined;
    const { subgroupMatrixConfigs = [], subgroupMaxSize } = this.info as AdapterInfo;
    const configs = [...subgroupMatrixConfigs]
      .filter(({ resultComponentType }) => resultComponentType === "f32")
      .map(({ componentType, M, N, K }) => ({ component: componentType, m: Number(M), n: Number(N), k: Number(K) }))
      .filter((config): config is MatrixConfig => config.component === "f32" || config.component === "f16");
    if (configs.length === 0 || !subgroupMaxSize) return undefined;
    const workgroupBytes = this.gpu.limits.maxComputeWorkgroupStorageSize;
    return { configs, maxLanes: subgroupMaxSize, f16: this.has("shader-f16"), workgroupBytes };
  }

  /** @throws DeviceLostError if the device is gone. */
  check(): void {
    if (this.#gone) throw this.#gone;
  }

  /** Waits for a promise of the GPU, and on a software adapter leaves it the cores meanwhile.
   *  @throws DeviceLostError when the device goes away first */
  wait<T>(promise: Promise<T>): Promise<T> {
    const first = new Promise<T>((resolve, reject) => {
      if (this.#gone) reject(this.#gone);
      this.#waiting.add(reject);
      promise.then(resolve, reject).finally(() => this.#waiting.delete(reject));
    });
    return this.adapterClass === "software" ? patiently(first) : first;
  }

  /** Runs `work` in an error scope. @throws Error with the message of the GPU if it made a validation error, and
   *  UserError when memory ran out. */
  async guarded<T>(what: string, work: () => T | Promise<T>): Promise<T> {
    this.check();
    this.gpu.pushErrorScope("out-of-memory");
    this.gpu.pushErrorScope("validation");
    let result: T;
    try {
      result = await work();
    } finally {
      const [invalid, memory] = await Promise.all([this.gpu.popErrorScope(), this.gpu.popErrorScope()]);
      if (memory)
        // biome-ignore lint/correctness/noUnsafeFinally: a GPU error explains whatever the work threw
        throw new UserError(`${what}: the GPU ran out of memory; use a smaller batch or model (${memory.message})`);
      // biome-ignore lint/correctness/noUnsafeFinally: as above
      if (invalid) throw new Error(`${what}: ${invalid.message}`);
    }
    return result;
  }

  destroy(): void {
    this.staging.destroy();
    if (this.#owned) this.gpu.destroy();
  }

  [Symbol.dispose](): void {
    this.destroy();
  }
}

/** Opens a device on this adapter with every feature and limit the engine can use. */
export async function deviceFromAdapter(adapter: GPUAdapter): Promise<Device> {
  const requiredFeatures = wanted.filter((f) => adapter.features.has(f as GPUFeatureName)) as GPUFeatureName[];
  const requiredLimits = Object.fromEntries(raised.map((name) => [name, adapter.limits[name]]));
  const gpu = await adapter.requestDevice({ requiredFeatures, requiredLimits });
  return new Device(gpu, adapter.info, { owned: true });
}

/** Wraps the caller's own device. */
export const deviceFromCaller = (gpu: GPUDevice): Device => new Device(gpu, gpu.adapterInfo, { owned: false });

/** Dawn's null backend accepts work and never executes it. */
export const isNullAdapter = (info: GPUAdapterInfo): boolean =>
  /\bnull\b/i.test(`${info.vendor} ${info.architecture} ${info.device} ${info.description}`);
