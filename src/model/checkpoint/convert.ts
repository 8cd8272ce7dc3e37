import { toHalf } from "../../half";
import type { TensorInfo } from "./container";
import { type HalfReport, halfReport } from "./f16";
import { LAYOUT_OF } from "./layout";
import type { ModelCheckpoint } from "./model";
import { type WriteEntry, writeSafetensors } from "./safetensors-writer";

export interface ConvertOptions {
  readonly dtype: "f16" | "f32";
  readonly signal?: AbortSignal;
  /** Called for each tensor read, in the pass that measures and in the pass that writes. */
  readonly onTensor?: (name: string, done: number, total: number) => void;
}

/** Report of a conversion. */
export interface ConvertReport {
  readonly tensors: number;
  readonly parameters: number;
  readonly dtype: "f16" | "f32";
  /** f16: tensors kept as f32 because half precision would damage them. */
  readonly keptF32: readonly string[];
  /** f16: the tensors in which values become zero, or that are kept; by name. */
  readonly notes: Readonly<Record<string, HalfReport>>;
}

/** A model as one safetensors file under canonical names, its configuration in the metadata, written tensor by tensor.
 *  For f16 the tensors are read twice: what half precision cannot hold is found before the header is written.
 *  @returns the report, known once the pieces have all been taken, and the pieces
 *  @throws NonFiniteError while the pieces are taken, for NaN or infinite weights */
export async function convertModel(
  model: ModelCheckpoint,
  options: ConvertOptions,
): Promise<{ report: ConvertReport; pieces: AsyncIterable<Uint8Array<ArrayBuffer>> }> {
  const { dtype, signal, onTensor } = options;
  const passes = dtype === "f16" ? 2 : 1;
  const total = model.tensors.size * passes;
  let done = 0;
  const read = async (name: string) => {
    const values = await model.read(name, signal);
    onTensor?.(name, ++done, total);
    return values;
  };
  const keptF32: string[] = [];
  const notes: Record<string, HalfReport> = {};
  if (dtype === "f16")
    for (const name of model.tensors.keys()) {
      const half = halfReport(await read(name));
      if (!half.safe) keptF32.push(name);
      if (!half.safe || half.flushed > 0) notes[name] = half;
    }
  const kept = new Set(keptF32);
  const entries = [...model.tensors].map(([name, info]): WriteEntry => {
    const half = dtype === "f16" && !kept.has(name);
    const bytes = async () => (half ? toHalf(await read(name)) : read(name));
    return { name, dtype: half ? "F16" : "F32", shape: info.shape, bytes };
  });
  const metadata = {
    format: "pt",
    config: JSON.stringify(model.config),
    schedule: JSON.stringify(model.schedule),
    layout: LAYOUT_OF[model.config.family],
    source: model.file,
  };
  const parameters = countParameters(model.tensors);
  return {
    report: { tensors: model.tensors.size, parameters, dtype, keptF32, notes },
    pieces: writeSafetensors(entries, metadata),
  };
}

export function countParameters(tensors: ReadonlyMap<string, TensorInfo>): number {
  let n = 0;
  for (const { shape } of tensors.values()) n += shape.reduce((a, b) => a * b, 1);
  return n;
}
