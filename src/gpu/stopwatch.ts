import type { Device } from "./device";

/** Anything that encodes the same work again and again. */
export interface Replay {
  encode(pass: GPUComputePassEncoder): void;
}

/** Measures compute passes: by GPU timestamps where the adapter has them, else by the clock around a submit. */
export class Stopwatch {
  readonly #queries: GPUQuerySet | undefined;
  readonly #resolved: GPUBuffer;
  readonly #staging: GPUBuffer;

  constructor(readonly device: Device) {
    const { gpu } = device;
    this.#queries = device.has("timestamp-query") ? gpu.createQuerySet({ type: "timestamp", count: 2 }) : undefined;
    this.#resolved = gpu.createBuffer({ size: 16, usage: 0x200 | 0x4 /* QUERY_RESOLVE | COPY_SRC */ });
    this.#staging = gpu.createBuffer({ size: 16, usage: 0x8 | 0x1 /* COPY_DST | MAP_READ */ });
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
    await this.device.wait(this.#staging.mapAsync(1 /* READ */));
    const ended = performance.now();
    const [from, to] = new BigUint64Array(this.#staging.getMappedRange().slice(0)) as unknown as [bigint, bigint];
    this.#staging.unmap();
    // A driver may leave a timestamp unset; the host's clock then stands in.
    return querySet && to > from ? Number(to - from) / 1e9 : (ended - began) / 1e3;
  }

  destroy(): void {
    this.#queries?.destroy();
    this.#resolved.destroy();
    this.#staging.destroy();
  }
}
