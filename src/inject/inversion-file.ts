import { UserError } from "../errors";
import { openContainer } from "../model/checkpoint/checkpoint";
import { digestOf, safetensorsBytes } from "../model/checkpoint/digest";
import { memorySource } from "../model/checkpoint/source";
import { SOLVERS, SPACINGS } from "../model/schedule";
import type { InversionInfo } from "./bank";
import { METHODS } from "./methods";
import { isCount, isShape, parseInfo } from "./saved-info";

/** A saved inversion: tensors `image`, `x_T` and `h.<t>`, f32 with the batch first. */
export interface InversionFile {
  readonly info: InversionInfo;
  readonly tensors: readonly {
    readonly name: string;
    readonly shape: readonly number[];
    readonly data: Float32Array<ArrayBuffer>;
  }[];
}

const FORMAT = "injectfusion-inversion-1";

/** Tensors that an inversion keeps besides x_T and h, as pictures: BDIA its rest, edit-friendly the noise of every step.
 *  @param names of its tensors, those of h among them */
export const besides = (method: InversionInfo["method"], names: readonly string[]): string[] => {
  if (method === "bdia") return ["rest"];
  if (method !== "edit-friendly") return [];
  return names.filter((name) => name.startsWith("h.")).map((name) => `z${name.slice(1)}`);
};

/** One safetensors file, with a digest of the values in its metadata. */
export async function writeInversion({ info, tensors }: InversionFile): Promise<Uint8Array<ArrayBuffer>> {
  const metadata = {
    format: FORMAT,
    inversion: JSON.stringify({ ...info, sources: info.sources.map((source) => source ?? null) }),
    sha256: digestOf(tensors),
  };
  return safetensorsBytes(tensors, metadata);
}

/** @throws UserError when it is no inversion, or damaged */
export async function readInversion(bytes: Uint8Array, name: string): Promise<InversionFile> {
  const file = await openContainer(memorySource(bytes, name));
  const info = infoOf(file.metadata, name);
  const image = [info.picture.channels, info.picture.height, info.picture.width];
  const shapes = new Map<string, readonly number[]>([
    ["image", image],
    ["x_T", image],
  ]);
  for (const tensor of file.tensors.keys()) if (/^h\.\d+$/.test(tensor)) shapes.set(tensor, info.h);
  if (shapes.size === 2) throw new UserError(`${name}: holds no h; invert the picture again`);
  for (const tensor of besides(info.method, [...shapes.keys()])) {
    if (!file.tensors.has(tensor)) throw new UserError(`${name}: holds no ${tensor}; invert the picture again`);
    shapes.set(tensor, image);
  }
  const tensors: InversionFile["tensors"][number][] = [];
  for (const [tensor, perSample] of shapes) {
    const shape = [info.sources.length, ...perSample];
    const expected = shape.reduce((a, b) => a * b, 1);
    const data = await file.read(tensor);
    if (data.length !== expected)
      throw new UserError(`${name}: ${tensor} has ${data.length} values, expected ${expected}`);
    tensors.push({ name: tensor, shape, data });
  }
  const { sha256: digest } = file.metadata;
  if (digest !== undefined && digest !== digestOf(tensors))
    throw new UserError(`${name}: is damaged (its values do not match its checksum); invert the picture again`);
  return { info, tensors };
}

function infoOf(metadata: Readonly<Record<string, string>>, name: string): InversionInfo {
  if (metadata.format !== FORMAT || !metadata.inversion)
    throw new UserError(`${name}: not a saved inversion; make one with --save-inversion`);
  const damaged = new UserError(`${name}: its metadata is damaged; invert the picture again`);
  let info = parseInfo<InversionInfo>(metadata.inversion, damaged);
  const { side } = info as { side?: number }; // of files from before pictures could have other shapes
  if (side !== undefined) info = { ...info, picture: { channels: 3, height: side, width: side } };
  const known = (names: readonly unknown[], v: unknown) => v === undefined || names.includes(v);
  if (
    typeof info.model !== "string" ||
    typeof info.tap !== "string" ||
    typeof info.picture !== "object" ||
    ![info.picture?.channels, info.picture?.height, info.picture?.width].every(isCount) ||
    !isCount(info.steps) ||
    !isCount(info.top) ||
    !known(SOLVERS, info.solver) ||
    !known(SPACINGS, info.spacing) ||
    !known(METHODS, info.method) ||
    !isShape(info.h) ||
    !Array.isArray(info.sources) ||
    info.sources.length === 0
  )
    throw damaged;
  return { ...info, sources: info.sources.map((source) => source ?? undefined) };
}
