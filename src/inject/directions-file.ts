import { UserError } from "../errors";
import { openContainer } from "../model/checkpoint/checkpoint";
import { digestOf, safetensorsBytes } from "../model/checkpoint/digest";
import { type ByteSource, memorySource } from "../model/checkpoint/source";
import { isShape, parseInfo } from "./saved-info";

/** The model and tensor that directions in h belong to, and how they were found. */
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

/** Directions as a file holds them. */
export interface DirectionsFile {
  readonly name: string;
  readonly info: DirectionsInfo;
  /** number of directions */
  readonly count: number;
  /** by time step: f32 [count, C, H, W] */
  readonly values: ReadonlyMap<number, Float32Array<ArrayBuffer>>;
  /** of all values */
  readonly sha256: string;
}

const FORMAT = "injectfusion-directions-1";

/** Directions as one safetensors file: `h.<t>` f32 [count, C, H, W], and in its metadata the model's hash. */
export function directionsBytes(
  info: DirectionsInfo,
  count: number,
  values: Iterable<readonly [number, Float32Array<ArrayBuffer>]>,
): Promise<Uint8Array<ArrayBuffer>> {
  const tensors = [...values].map(([t, data]) => ({ name: `h.${t}`, shape: [count, ...info.h], data }));
  return safetensorsBytes(tensors, {
    format: FORMAT,
    directions: JSON.stringify(info),
    sha256: digestOf(tensors),
  });
}

/** Whether a file says of itself that it holds directions. */
export async function holdsDirections(source: ByteSource): Promise<boolean> {
  try {
    return (await openContainer(source)).metadata.format === FORMAT;
  } catch {
    return false;
  }
}

/** Reads saved directions. @throws UserError when they are damaged, or no directions */
export async function readDirections(bytes: Uint8Array, name = "directions"): Promise<DirectionsFile> {
  const file = await openContainer(memorySource(bytes, name));
  const info = infoOf(file.metadata, name);
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
  const sha256 = digestOf([...values].map(([t, data]) => ({ name: `h.${t}`, data })));
  if (file.metadata.sha256 !== sha256)
    throw new UserError(`${name}: is damaged (its values do not match its checksum); find the directions again`);
  return { name, info, count, values, sha256 };
}

/** @throws UserError for directions of another model than that of this hash */
export function expectModel({ name, info }: DirectionsFile, model: string): void {
  if (info.model !== model)
    throw new UserError(
      `${name}: directions of another model (${info.model.slice(0, 12)}, this one is ${model.slice(0, 12)}); find them again with this one`,
    );
}

function infoOf(metadata: Readonly<Record<string, string>>, name: string): DirectionsInfo {
  if (metadata.format !== FORMAT || !metadata.directions)
    throw new UserError(`${name}: holds no directions in h; make them with injectfusion directions`);
  const damaged = new UserError(`${name}: its metadata is damaged; find the directions again`);
  const info = parseInfo<DirectionsInfo>(metadata.directions, damaged);
  if (
    typeof info.model !== "string" ||
    typeof info.tap !== "string" ||
    !["difference", "pca"].includes(info.kind) ||
    !isShape(info.h)
  )
    throw damaged;
  return info;
}
