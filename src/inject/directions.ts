import { UserError } from "../errors";
import { readBuffer } from "../gpu/buffers";
import type { Device } from "../gpu/device";
import type { Bank } from "./bank";
import { type DirectionsInfo, directionsBytes, expectModel, readDirections } from "./directions-file";
import { Store } from "./store";

export type { DirectionsInfo } from "./directions-file";

/** Directions in h, one tensor for every time step: adding one moves every picture the same way.   Kwon et al. 2023 */
export class Directions {
  private constructor(
    readonly device: Device,
    readonly info: DirectionsInfo,
    /** @internal */
    readonly store: Store,
  ) {}

  /** @internal @param values by time step: f32 [count, C, H, W] */
  static async of(
    device: Device,
    info: DirectionsInfo,
    values: ReadonlyMap<number, Float32Array<ArrayBuffer>>,
  ): Promise<Directions> {
    const count = values.values().next().value!.length / info.h.reduce((a, b) => a * b, 1);
    const contents = new Map([...values].map(([t, data]) => [`h.${t}`, data] as const));
    const what = { name: "these directions", cure: "load them again" };
    return new Directions(device, info, await Store.upload(device, count, contents, what));
  }

  /** Number of directions. */
  get count(): number {
    return this.store.count;
  }

  /** Time steps of which they are kept, ascending. */
  get times(): number[] {
    return this.store.times;
  }

  /** All directions at a time step that is kept: f32 [count, C, H, W]. */
  async read(t: number): Promise<Float32Array<ArrayBuffer>> {
    return this.store.life.during(async () => {
      const buffer = (await this.store.buffers()).get(`h.${t}`);
      if (!buffer) throw new UserError(`no direction is kept for t = ${t}; kept are ${this.times.join(", ")}`);
      return new Float32Array(await readBuffer(this.device, buffer));
    });
  }

  /** Everything as one safetensors file: `h.<t>` f32 [count, C, H, W], and in its metadata the model's hash. */
  async save(): Promise<Uint8Array<ArrayBuffer>> {
    const values: [number, Float32Array<ArrayBuffer>][] = [];
    for (const t of this.times) values.push([t, await this.read(t)]);
    return directionsBytes(this.info, this.count, values);
  }

  /** Uploads saved directions.
   *  @internal @throws UserError when they belong to another model, are damaged, or are no directions */
  static async load(device: Device, bytes: Uint8Array, model: string, name?: string): Promise<Directions> {
    const file = await readDirections(bytes, name);
    expectModel(file, model);
    return Directions.of(device, file.info, file.values);
  }

  /** Frees the GPU's memory, once the last run that uses it has ended. */
  dispose(): void {
    this.store.life.dispose();
  }

  /** Frees the GPU memory: what `using` calls. */
  [Symbol.dispose](): void {
    this.dispose();
  }
}

/** One of several directions, as a content of a run. */
export class Direction {
  constructor(
    readonly directions: Directions,
    readonly component: number,
  ) {}

  /** As plans see it: a content whose h is added at the nearest time step that is kept. */
  get bank(): Bank {
    const { info, count, times } = this.directions;
    const sources = Array.from({ length: count }, () => undefined);
    const of = { model: info.model, h: info.h, tap: info.tap, sources };
    const none = { steps: times.length, top: 0, faithful: false, picture: { channels: 0, height: 0, width: 0 } };
    return { info: { ...of, ...none }, samples: [this.component], times, direction: true };
  }
}
