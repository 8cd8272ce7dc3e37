import type { Device } from "../../src/gpu/device";
import { byteLength, type Dispatch, type Tensor } from "../../src/kernels/dispatch";

/** Anything that encodes the same work again and again. */
export interface Replay {
  encode(pass: GPUComputePassEncoder): void;
}

/** Dispatches ready to be replayed: pipelines compiled, buffers filled, bind groups made. */
export interface Prepared extends Replay {
  read(tensor: Tensor): Promise<Float32Array>;
  destroy(): void;
  /** Time to compile the pipelines not compiled before. */
  readonly compileMs: number;
}

export async function prepare(
  device: Device,
  dispatches: readonly Dispatch[],
  inputs: ReadonlyMap<Tensor, ArrayBufferView<ArrayBuffer>>,
): Promise<Prepared> {
  const { gpu } = device;
  const began = performance.now();
  const pipelines = await Promise.all(dispatches.map((d) => device.pipelines.get(d)));
  const compileMs = performance.now() - began;
  const data = new Map([...inputs].map(([t, d]) => [t.name, d]));
  const buffers = new Map<string, GPUBuffer>();
  for (const { tensor } of dispatches.flatMap((d) => d.bindings)) {
    if (buffers.has(tensor.name)) continue;
    const usage = GPUBufferUsage.STORAGE | GPUBufferUsage.COPY_DST | GPUBufferUsage.COPY_SRC;
    const buffer = gpu.createBuffer({ label: tensor.name, size: byteLength(tensor), usage });
    const given = data.get(tensor.name);
    if (given) gpu.queue.writeBuffer(buffer, 0, given);
    buffers.set(tensor.name, buffer);
  }
  const groups = dispatches.map(({ bindings }, i) =>
    pipelines[i]!.bind(bindings.map(({ tensor }) => ({ buffer: buffers.get(tensor.name)! }))),
  );
  return {
    compileMs,
    encode(pass) {
      dispatches.forEach(({ workgroups }, i) => {
        pass.setPipeline(pipelines[i]!.pipeline);
        pass.setBindGroup(0, groups[i]!);
        pass.dispatchWorkgroups(...workgroups);
      });
    },
    async read(tensor) {
      const from = buffers.get(tensor.name)!;
      const staging = gpu.createBuffer({ size: from.size, usage: GPUBufferUsage.COPY_DST | GPUBufferUsage.MAP_READ });
      const encoder = gpu.createCommandEncoder();
      encoder.copyBufferToBuffer(from, 0, staging, 0, from.size);
      gpu.queue.submit([encoder.finish()]);
      await staging.mapAsync(GPUMapMode.READ);
      const values = new Float32Array(staging.getMappedRange().slice(0));
      staging.destroy();
      return values;
    },
    destroy() {
      for (const buffer of buffers.values()) buffer.destroy();
    },
  };
}

/** Measures compute passes: by GPU timestamps where the adapter has them, else by the clock around a submit. */
export class Stopwatch {
  readonly #queries: GPUQuerySet | undefined;
  readonly #resolved: GPUBuffer;
  readonly #staging: GPUBuffer;
  /** milliseconds of one replay, as last measured */
  readonly #expected = new WeakMap<Replay, number>();

  constructor(readonly device: Device) {
    const { gpu } = device;
    this.#queries = device.has("timestamp-query") ? gpu.createQuerySet({ type: "timestamp", count: 2 }) : undefined;
    this.#resolved = gpu.createBuffer({ size: 16, usage: GPUBufferUsage.QUERY_RESOLVE | GPUBufferUsage.COPY_SRC });
    this.#staging = gpu.createBuffer({ size: 16, usage: GPUBufferUsage.COPY_DST | GPUBufferUsage.MAP_READ });
  }

  get clock(): "gpu timestamps" | "host clock" {
    return this.#queries ? "gpu timestamps" : "host clock";
  }

  /** Seconds of one pass that replays the work `times` times. */
  async seconds(work: Replay, times: number): Promise<number> {
    const { gpu } = this.device;
    const encoder = gpu.createCommandEncoder();
    const querySet = this.#queries;
    const pass = encoder.beginComputePass(
      querySet && { timestampWrites: { querySet, beginningOfPassWriteIndex: 0, endOfPassWriteIndex: 1 } },
    );
    for (let i = 0; i < times; i++) work.encode(pass);
    pass.end();
    if (querySet) encoder.resolveQuerySet(querySet, 0, 2, this.#resolved, 0);
    encoder.copyBufferToBuffer(this.#resolved, 0, this.#staging, 0, 16);
    const began = performance.now();
    gpu.queue.submit([encoder.finish()]);
    // In Node a pending promise of the GPU polls on a core, which a software adapter needs itself.
    const rest = querySet ? 0.85 * times * (this.#expected.get(work) ?? 0) : 0;
    if (rest > 2) await new Promise((resolve) => setTimeout(resolve, rest));
    await this.#staging.mapAsync(GPUMapMode.READ);
    const ended = performance.now();
    this.#expected.set(work, (ended - began) / times);
    const [from, to] = new BigUint64Array(this.#staging.getMappedRange().slice(0)) as unknown as [bigint, bigint];
    this.#staging.unmap();
    // A driver may leave a timestamp unset; the host's clock then stands in.
    return querySet && to > from ? Number(to - from) / 1e9 : (ended - began) / 1e3;
  }
}

export const median = (values: readonly number[]): number => [...values].sort((a, b) => a - b)[values.length >> 1]!;
