import { UserError } from "../errors";
import { readBuffer } from "../gpu/buffers";
import type { Device } from "../gpu/device";
import { openContainer } from "../model/checkpoint/checkpoint";
import { digestOf, safetensorsBytes } from "../model/checkpoint/digest";
import { memorySource } from "../model/checkpoint/source";
import type { Bank } from "./bank";
import { Store } from "./store";

/** What directions in h belong to and how they were found. */
export interface DirectionsInfo {
  /** hash of the network's weights */
  readonly model: string;
  /** tensor that they are added to, and its [C, H, W] */
  readonly tap: string;
  readonly h: readonly [number, number, number];
  /** "difference": mean h of some pictures less that of others; "pca": principal components over pictures, in units of their
   *  standard deviation */
  readonly kind: "difference" | "pca";
  /** number of pictures */
  readonly pictures: number;
  /** of components, by time step, the share of the variance of h that each explains */
  readonly explained?: Readonly<Record<string, readonly number[]>>;
}

const FORMAT = "injectfusion-directions-1";

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
    const tensors = [];
    for (const t of this.times)
      tensors.push({ name: `h.${t}`, shape: [this.count, ...this.info.h], data: await this.read(t) });
    const metadata = { format: FORMAT, directions: JSON.stringify(this.info), sha256: digestOf(tensors) };
    return safetensorsBytes(tensors, metadata);
  }

  /** Uploads saved directions.
   *  @internal @throws UserError when they belong to another model, are damaged, or are no directions */
  static async load(device: Device, bytes: Uint8Array, model: string, name = "directions"): Promise<Directions> {
    const file = await openContainer(memorySource(bytes, name));
    const info = parseInfo(file.metadata, name);
    if (info.model !== model)
      throw new UserError(
        `${name}: directions of another model (${info.model.slice(0, 12)}, this one is ${model.slice(0, 12)}); find them again with this one`,
      );
    const values = new Map<number, Float32Array<ArrayBuffer>>();
    const each = info.h.reduce((a, b) => a * b, 1);
    let count = 0;
    for (const tensor of file.tensors.keys()) {
      const t = /^h\.(\d+)$/.exec(tensor)?.[1];
      if (t === undefined) continue;
      const data = await file.read(tensor);
      count ||= data.length / each;
      if (!(count >= 1) || !Number.isInteger(count) || data.length !== count * each)
        throw new UserError(
          `${name}: ${tensor} has ${data.length} values, expected a multiple of ${each}, one for all t`,
        );
      if (!data.every(Number.isFinite)) throw new UserError(`${name}: ${tensor} holds values that are not finite`);
      values.set(Number(t), data);
    }
    if (values.size === 0) throw new UserError(`${name}: holds no directions; make them with injectfusion directions`);
    const tensors = [...values].map(([t, data]) => ({ name: `h.${t}`, data }));
    if (file.metadata.sha256 !== digestOf(tensors))
      throw new UserError(`${name}: is damaged (its values do not match its checksum); find the directions again`);
    return Directions.of(device, info, values);
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

function parseInfo(metadata: Readonly<Record<string, string>>, name: string): DirectionsInfo {
  if (metadata.format !== FORMAT || !metadata.directions)
    throw new UserError(`${name}: holds no directions in h; make them with injectfusion directions`);
  const damaged = new UserError(`${name}: its metadata is damaged; find the directions again`);
  let info: DirectionsInfo;
  try {
    info = JSON.parse(metadata.directions) as DirectionsInfo;
  } catch {
    throw damaged;
  }
  const whole = (v: unknown) => Number.isInteger(v) && (v as number) > 0;
  if (
    typeof info !== "object" ||
    info === null ||
    typeof info.model !== "string" ||
    typeof info.tap !== "string" ||
    !["difference", "pca"].includes(info.kind) ||
    !Array.isArray(info.h) ||
    info.h.length !== 3 ||
    !info.h.every(whole)
  )
    throw damaged;
  return info;
}
