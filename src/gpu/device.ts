import { DeviceLostError, UserError } from "../errors";
import type { MatrixConfig, Target } from "../kernels/target";
import { destroyAtExit } from "./at-exit";
import { ErrorScope } from "./error-scope";
import { abortable, patiently } from "./patience";
import { PipelineCache } from "./pipelines";
import { StagingPool } from "./staging";

/** Facts of an adapter that Chromium gives beyond the standard. */
interface AdapterInfo extends GPUAdapterInfo {
  readonly subgroupMatrixConfigs?: readonly {
    readonly componentType: string;
    readonly resultComponentType: string;
    readonly M: number | bigint;
    readonly N: number | bigint;
    readonly K: number | bigint;
  }[];
}

/** Options of `openDevice`. */
export interface DeviceOptions {
  /** Use this device instead of opening one. It stays the caller's: `dispose()` leaves it open. */
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

/** Kind of processor that runs the kernels: classes differ in which variant of a kernel is fastest. */
export type AdapterClass = "software" | "gpu";

/** A GPU device and what is made on it. */
interface Opened {
  readonly gpu: GPUDevice;
  readonly info: GPUAdapterInfo;
  readonly lost: Promise<never>;
  readonly pipelines: PipelineCache;
  readonly staging: StagingPool;
}

/** An open WebGPU device with its pipelines. Dispose of it when done: in Node a live device keeps the process alive. */
export class Device {
  /** Bytes of all `Buffers` on this device.
   *  @internal */
  heldBytes = 0;
  #on: Opened;
  #gone: DeviceLostError | undefined;
  #disposed = false;
  #reopening: Promise<void> | undefined;
  readonly #owned: boolean;
  readonly #open: (() => Promise<Device>) | undefined;
  /** Rejects the promises of `wait`. A race with `lost` would leave a reaction on it for as long as the device lives. */
  readonly #waiting = new Set<(reason: DeviceLostError) => void>();
  /** The last of the calls of `guarded`, which run one after another. */
  #guarding: Promise<unknown> = Promise.resolve();

  /** @internal @param options.open opens a device like this one, when it was lost */
  constructor(
    gpu: GPUDevice,
    info: GPUAdapterInfo,
    options: { owned: boolean; open?: (() => Promise<Device>) | undefined },
  ) {
    this.#owned = options.owned;
    this.#open = options.open;
    this.#on = this.#watch(gpu, info);
  }

  /** The device of WebGPU behind this one. */
  get gpu(): GPUDevice {
    return this.#on.gpu;
  }
  /** The adapter, as WebGPU describes it. */
  get info(): GPUAdapterInfo {
    return this.#on.info;
  }
  /** @internal */
  get pipelines(): PipelineCache {
    return this.#on.pipelines;
  }
  /** @internal */
  get staging(): StagingPool {
    return this.#on.staging;
  }
  /** Rejects when the device is lost. */
  get lost(): Promise<never> {
    return this.#on.lost;
  }

  #watch(gpu: GPUDevice, info: GPUAdapterInfo): Opened {
    const lost = gpu.lost.then((loss) => {
      const error = new DeviceLostError(
        `the GPU device was lost (${loss.message || loss.reason}); open a new device and run again`,
      );
      if (this.#on.gpu === gpu) this.#lose(error);
      throw error;
    });
    lost.catch(() => {});
    if (this.#owned) {
      const atRest = destroyAtExit(gpu); // work in its queue, too
      gpu.lost.then(atRest);
    }
    const pipelines = new PipelineCache(gpu, (promise) => this.wait(promise));
    return { gpu, info, lost, pipelines, staging: new StagingPool(gpu) };
  }

  #lose(error: DeviceLostError): void {
    this.#gone ??= error;
    for (const reject of this.#waiting) reject(this.#gone);
  }

  /** Whether `reopen` can replace this device when it is lost.
   *  @internal */
  get reopens(): boolean {
    return this.#open !== undefined && !this.#disposed;
  }

  /** Whether the device was lost or disposed.
   *  @internal */
  get gone(): boolean {
    return this.#gone !== undefined;
  }

  /** Opens the device again if it was lost. Whatever was on it is gone.
   *  @internal @throws DeviceLostError when it cannot be opened again */
  async reopen(): Promise<void> {
    if (!this.#gone) return;
    if (!this.#open || this.#disposed) throw this.#gone;
    this.#reopening ??= this.#open()
      .then(({ gpu, info }) => {
        this.#free();
        if (this.#disposed) {
          gpu.destroy();
          throw this.#gone!;
        }
        this.#on = this.#watch(gpu, info);
        this.#gone = undefined;
      })
      .finally(() => {
        this.#reopening = undefined;
      });
    await this.#reopening;
  }

  /** Whether a GPU or a CPU runs the kernels. */
  get adapterClass(): AdapterClass {
    return /swiftshader|llvmpipe|lavapipe|software|microsoft basic render/i.test(this.description) ? "software" : "gpu";
  }

  /** Adapter in words: vendor, architecture, device, as far as the platform tells. */
  get description(): string {
    const { vendor, architecture, device, description } = this.info;
    return [...new Set([description, device, vendor, architecture].filter(Boolean))].join(", ") || "unnamed adapter";
  }

  /** Whether the device has a feature of WebGPU. */
  has(feature: string): boolean {
    return this.gpu.features.has(feature as GPUFeatureName);
  }

  /** Products with f32 sums that subgroup matrices can take here; undefined without the feature.
   *  @internal */
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

  /** @internal @throws DeviceLostError if the device is gone */
  check(): void {
    if (this.#gone) throw this.#gone;
  }

  /** Waits for a promise of the GPU, and on a software adapter leaves it the cores meanwhile.
   *  @internal @throws DeviceLostError when the device goes away first, the signal's reason when it is aborted first */
  wait<T>(promise: Promise<T>, signal?: AbortSignal): Promise<T> {
    const first = new Promise<T>((resolve, reject) => {
      if (this.#gone) reject(this.#gone);
      this.#waiting.add(reject);
      abortable(promise, signal)
        .then(resolve, reject)
        .finally(() => this.#waiting.delete(reject));
    });
    return this.adapterClass === "software" ? patiently(first) : first;
  }

  /** Collects the GPU errors of one call.
   *  @internal */
  errors(what: string): ErrorScope {
    return new ErrorScope(this.gpu, what);
  }

  /** Runs asynchronous work in an error scope, for tuning, tests and benchmarks. Calls wait for one another, since an open
   *  scope would catch their errors too; work that other calls may run beside belongs in `errors`.
   *  @internal @throws Error with the GPU's message for a validation error, UserError when memory ran out */
  async guarded<T>(what: string, work: () => T | Promise<T>): Promise<T> {
    const mine = this.#guarding.then(() => this.#guard(what, work));
    this.#guarding = mine.catch(() => {});
    return mine;
  }

  async #guard<T>(what: string, work: () => T | Promise<T>): Promise<T> {
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

  /** Frees everything on the device. A device that the caller brought stays open. */
  dispose(): void {
    this.#disposed = true;
    this.#lose(new DeviceLostError("this device was disposed; open a new one"));
    const { gpu } = this;
    const { idle } = this.pipelines;
    this.#free();
    if (!this.#owned) return;
    // A driver that is compiling would keep this thread until it is done, seconds on a software adapter.
    if (idle) idle.then(() => gpu.destroy());
    else gpu.destroy();
  }

  #free(): void {
    this.staging.destroy();
    this.pipelines.destroy();
  }

  /** The same as `dispose`, by WebGPU's own name. */
  destroy(): void {
    this.dispose();
  }

  /** Frees the device: what `using` calls. */
  [Symbol.dispose](): void {
    this.dispose();
  }
}

/** Opens a device on this adapter with every feature and limit the engine can use.
 *  @param open opens another like it */
export async function deviceFromAdapter(adapter: GPUAdapter, open?: () => Promise<Device>): Promise<Device> {
  const requiredFeatures = wanted.filter((f) => adapter.features.has(f as GPUFeatureName)) as GPUFeatureName[];
  const requiredLimits = Object.fromEntries(raised.map((name) => [name, adapter.limits[name]]));
  const gpu = await adapter.requestDevice({ requiredFeatures, requiredLimits });
  return new Device(gpu, adapter.info, { owned: true, open });
}

/** @throws UserError for an option that there is not */
export function checkDeviceOptions(options: DeviceOptions): void {
  const names = ["device", "powerPreference"];
  const unknown = Object.keys(options ?? {}).find((name) => !names.includes(name));
  if (unknown) throw new UserError(`openDevice: there is no option "${unknown}"; its options are ${names.join(", ")}`);
}

/** Wraps the caller's own device. @throws UserError for what is no device */
export function deviceFromCaller(gpu: GPUDevice): Device {
  if (typeof gpu.createBuffer !== "function")
    throw new UserError("device: expected a GPUDevice, or leave it out and one is opened");
  return new Device(gpu, gpu.adapterInfo, { owned: false });
}

/** Dawn's null backend accepts work and never executes it. */
export const isNullAdapter = (info: GPUAdapterInfo): boolean =>
  /\bnull\b/i.test(`${info.vendor} ${info.architecture} ${info.device} ${info.description}`);
