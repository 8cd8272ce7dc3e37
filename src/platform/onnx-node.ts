import { createHash } from "node:crypto";
import { basename } from "node:path";
import type { Pixels } from "../api";
import { UserError } from "../errors";
import { type Embedding, type FeatureNetwork, type InputConvention, inputTensor, pooled } from "../metrics/features";
import { readWhole } from "./files-node";
import { resize } from "./images-node";

/** The part of `onnxruntime-node` that is used here. It is an optional peer: installed by those who measure with it. */
interface Runtime {
  readonly InferenceSession: { create(model: Uint8Array, options?: object): Promise<Session> };
  readonly Tensor: new (type: "float32", data: Float32Array, dims: readonly number[]) => Tensor;
}
interface Session {
  readonly inputNames: readonly string[];
  readonly outputNames: readonly string[];
  readonly inputMetadata?: readonly { readonly shape?: readonly (number | string)[] }[];
  run(feeds: Record<string, Tensor>): Promise<Record<string, Tensor>>;
}
interface Tensor {
  readonly data: Float32Array;
  readonly dims: readonly number[];
}

const BATCH = 8;

/** A feature network from an ONNX file: one input [N, 3, H, W]; outputs of two dimensions (or four with a 1x1 plane) are
 *  vectors, outputs of four dimensions are feature maps.
 *  @throws UserError where the runtime is not installed, or the file is no such network */
export async function openOnnx(
  file: string,
  convention: InputConvention,
): Promise<FeatureNetwork & { readonly sha256: string }> {
  const bytes = await readWhole(file, "an ONNX file");
  const runtime = await loadRuntime();
  let session: Session;
  try {
    session = await runtime.InferenceSession.create(bytes, { logSeverityLevel: 3 });
  } catch (error) {
    throw new UserError(`${file}: is no ONNX network that can be run (${(error as Error).message.split("\n")[0]})`);
  }
  const input = session.inputNames[0];
  if (session.inputNames.length !== 1 || !input)
    throw new UserError(`${file}: has ${session.inputNames.length} inputs, expected one of [N, 3, H, W]`);
  const [batch, channels = 3, height, width] = session.inputMetadata?.[0]?.shape ?? [];
  if (channels !== 3 && typeof channels === "number")
    throw new UserError(`${file}: its input has ${channels} channels in the second place, expected 3 (NCHW)`);
  const own = { ...convention };
  if (typeof height === "number" && height > 0) own.height = height;
  if (typeof width === "number" && width > 0) own.width = width;
  const most = typeof batch === "number" && batch > 0 ? batch : BATCH;
  return {
    name: basename(file),
    sha256: createHash("sha256").update(bytes).digest("hex"),
    async embed(pictures: readonly Pixels[], signal?: AbortSignal) {
      const all: Embedding[] = [];
      for (let first = 0; first < pictures.length; first += most) {
        signal?.throwIfAborted();
        const group = pictures.slice(first, first + most);
        // a network of fixed batch gets the last picture again to fill up
        const padded = Array.from(
          { length: typeof batch === "number" && batch > 0 ? batch : group.length },
          (_, i) => group[i] ?? group.at(-1)!,
        );
        const sized = await Promise.all(padded.map((picture) => resize(picture, own.width, own.height)));
        const dims = [padded.length, 3, own.height, own.width];
        const outputs = await session.run({ [input]: new runtime.Tensor("float32", inputTensor(sized, own), dims) });
        const tensors = session.outputNames.map((name) => outputs[name]!);
        all.push(...group.map((_, i) => embedding(tensors, i, file)));
      }
      return all;
    },
  };
}

function embedding(outputs: readonly Tensor[], i: number, file: string): Embedding {
  const part = ({ data, dims }: Tensor) => {
    const size = dims.slice(1).reduce((a, b) => a * b, 1);
    return data.slice(i * size, (i + 1) * size);
  };
  const isMap = ({ dims }: Tensor) => dims.length === 4 && dims[2]! * dims[3]! > 1;
  const layers = outputs
    .filter(isMap)
    .map((output) => ({ channels: output.dims[1]!, plane: output.dims[2]! * output.dims[3]!, values: part(output) }));
  const flat = outputs.find((output) => !isMap(output) && output.dims.length >= 2);
  if (flat) return { vector: part(flat), layers };
  const last = layers.at(-1);
  if (!last)
    throw new UserError(`${file}: gives no features (outputs of ${outputs.map((o) => `[${o.dims}]`).join(", ")})`);
  return { vector: pooled(last), layers };
}

async function loadRuntime(): Promise<Runtime> {
  const name = "onnxruntime-node"; // not a literal import: the package may be absent
  try {
    const module = (await import(name)) as Runtime & { default?: Runtime };
    return module.InferenceSession ? module : module.default!;
  } catch {
    throw new UserError("feature networks in ONNX need the optional package: npm install onnxruntime-node");
  }
}
