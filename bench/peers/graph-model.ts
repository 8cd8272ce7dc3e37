// node esbuild.mjs bench/peers/graph-model.ts FOLDER [OUT.safetensors]: runs a TF.js graph model of Keras' DDPM
// example (model.json and its shards in FOLDER, such as docs/64x64_cosin_300 of github.com/wangjia184/diffusion_model) in TF.js,
// keeps x, t and its output, and compares this engine with it. Exit 1 where they differ by more than 1e-4 of the rms.
import { readFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { parseArgs } from "node:util";
import { UserError } from "../../src/errors";
import { openDevice } from "../../src/gpu/open-node";
import { writeFileAtomic } from "../../src/model/checkpoint/file-node";
import { openModelCheckpoint } from "../../src/model/checkpoint/model";
import { writeSafetensors } from "../../src/model/checkpoint/safetensors-writer";
import { openSource } from "../../src/model/checkpoint/source-node";
import { Network } from "../../src/model/network";
import { modelPresets } from "../../src/model/presets";
import { seeded } from "../../src/random";
import { installPeers, requirePeer, versionOf } from "./packages";

/** The little of TF.js that is used. */
interface Tensor {
  readonly shape: readonly number[];
  data(): Promise<Float32Array>;
  dispose(): void;
}
interface Tf {
  setBackend(name: string): Promise<boolean>;
  ready(): Promise<void>;
  tensor(data: Float32Array | readonly number[], shape: readonly number[], dtype?: "int32"): Tensor;
  reshape(x: Tensor, shape: readonly number[]): Tensor;
  matMul(a: Tensor, b: Tensor, transposeA?: boolean, transposeB?: boolean): Tensor;
  engine(): { makeTensorFromTensorInfo(info: Tensor): Tensor };
  registerKernel(kernel: {
    kernelName: string;
    backendName: string;
    kernelFunc(given: { inputs: Readonly<Record<string, Tensor>>; attrs: { readonly equation: string } }): Tensor;
  }): void;
}
interface Converter {
  loadGraphModel(handler: { load(): Promise<object> }): Promise<{ execute(inputs: object): Tensor }>;
}

const TOLERANCE = 1e-4;
const TIMES = [0, 37, 150, 299];

async function main(): Promise<number> {
  const { positionals } = parseArgs({ allowPositionals: true });
  const [folder, out] = positionals;
  if (!folder) throw new UserError("graph-model: expected the folder of a model.json");
  installPeers();
  const tf = requirePeer<Tf>("@tensorflow/tfjs-core");
  requirePeer("@tensorflow/tfjs-backend-wasm");
  const { loadGraphModel } = requirePeer<Converter>("@tensorflow/tfjs-converter");
  await tf.setBackend("wasm");
  await tf.ready();
  registerEinsum(tf);
  const theirs = await loadGraphModel({ load: async () => artifacts(resolve(folder)) });

  const source = await openSource(join(folder, "model.json"));
  const checkpoint = await openModelCheckpoint(source, { schedule: modelPresets.anime64.schedule });
  const { height, width, inChannels } = checkpoint.config;
  const x = seeded(7, [inChannels, height, width]).map((v) => 1.7 * v);
  using device = await openDevice();
  const network = await Network.load(checkpoint, device, { precision: "exact" });
  console.log(`TF.js ${versionOf("@tensorflow/tfjs-core")} wasm against ${device.description}`);
  const kept: { name: string; shape: readonly number[]; values: Float32Array<ArrayBuffer> }[] = [
    { name: "x", shape: [1, inChannels, height, width], values: x },
    { name: "t", shape: [TIMES.length], values: Float32Array.from(TIMES) },
  ];
  let worst = 0;
  for (const t of TIMES) {
    const image_input = tf.tensor(channelsLast(x, inChannels), [1, height, width, inChannels]);
    const y = theirs.execute({ image_input, time_input: tf.tensor([t], [1], "int32") });
    const expected = channelsFirst(await y.data(), inChannels);
    const { eps } = await network.forward(x, t);
    const rms = Math.sqrt(expected.reduce((sum, v) => sum + v * v, 0) / expected.length);
    const off = eps.reduce((most, v, i) => Math.max(most, Math.abs(v - expected[i]!)), 0) / rms;
    worst = Math.max(worst, off);
    console.log(`t ${t}: ${off.toExponential(1)} of the rms ${rms.toFixed(3)} at most`);
    kept.push({ name: `eps.${t}`, shape: [1, inChannels, height, width], values: expected });
  }
  network.destroy();
  checkpoint.close();
  const entries = kept.map(({ name, shape, values }) => ({
    name,
    dtype: "F32" as const,
    shape,
    bytes: async () => values,
  }));
  if (out) await writeFileAtomic(out, writeSafetensors(entries, { model: folder }));
  return worst <= TOLERANCE ? 0 : 1;
}

/** The model's parts, as TF.js would fetch them. */
function artifacts(folder: string): object {
  const { modelTopology, weightsManifest, format, signature } = JSON.parse(
    readFileSync(join(folder, "model.json"), "utf8"),
  );
  const [{ paths, weights }] = weightsManifest as { paths: string[]; weights: object[] }[] as [
    { paths: string[]; weights: object[] },
  ];
  const bytes = Buffer.concat(paths.map((path) => readFileSync(join(folder, path))));
  return { modelTopology, format, signature, weightSpecs: weights, weightData: Uint8Array.from(bytes).buffer };
}

/** The two products of attention: TF.js has no einsum in WebAssembly, but it has the matrix product. */
function registerEinsum(tf: Tf): void {
  tf.registerKernel({
    kernelName: "Einsum",
    backendName: "wasm",
    kernelFunc({ inputs, attrs: { equation } }) {
      const [a, b] = Object.values(inputs).map((info) => tf.engine().makeTensorFromTensorInfo(info)) as [
        Tensor,
        Tensor,
      ];
      const [n, h, w] = a.shape as [number, number, number];
      const c = b.shape[3]!;
      const flat = (x: Tensor, columns: number) => tf.reshape(x, [n, h * w, columns]);
      if (equation === "bhwc,bijc->bhwij")
        return tf.reshape(tf.matMul(flat(a, c), flat(b, c), false, true), [n, h, w, h, w]);
      if (equation === "bhwij,bijc->bhwc") return tf.reshape(tf.matMul(flat(a, h * w), flat(b, c)), [n, h, w, c]);
      throw new Error(`no kernel for the equation ${equation}`);
    },
  });
}

function channelsLast(x: Float32Array, c: number): Float32Array {
  const plane = x.length / c;
  return Float32Array.from(x, (_, i) => x[(i % c) * plane + Math.floor(i / c)]!);
}

function channelsFirst(x: Float32Array, c: number): Float32Array<ArrayBuffer> {
  const plane = x.length / c;
  return Float32Array.from(x, (_, i) => x[(i % plane) * c + Math.floor(i / plane)]!);
}

process.exitCode = await main();
