import type { Engine } from "./engine";
import { Weights } from "./interpret";
import { onnxModel } from "./onnx-model";
import { importPeer, peerBytes, requirePeer, versionOf } from "./packages";

/** The little of onnxruntime that is used; its three packages share it. */
interface Ort {
  readonly env: {
    logLevel?: string;
    readonly wasm: { numThreads?: number; wasmBinary?: Uint8Array; proxy?: boolean };
  };
  readonly Tensor: new (type: "float32", data: Float32Array, dims: readonly number[]) => OrtTensor;
  readonly InferenceSession: {
    create(model: Uint8Array, options: object): Promise<OrtSession>;
  };
}
interface OrtTensor {
  readonly data: Float32Array;
  dispose?(): void;
}
interface OrtSession {
  run(feeds: Readonly<Record<string, OrtTensor>>): Promise<Record<string, OrtTensor>>;
  release(): Promise<void>;
}

const engine = (name: string, ort: Ort, options: object): Engine => ({
  name,
  async open({ graph, inputs, outputShape, weights }) {
    const model = onnxModel(graph, new Weights(await weights()), outputShape);
    const session = await ort.InferenceSession.create(model, { graphOptimizationLevel: "all", ...options });
    const names = Object.keys(graph.inputs).flatMap((name) => (name === "steps" ? ["temb"] : [name]));
    return {
      async run() {
        const feeds = Object.fromEntries(
          names.map((name) => {
            const data = inputs.get(name)!;
            return [name, new ort.Tensor("float32", data, graph.inputs[name]?.shape ?? [1, data.length])];
          }),
        );
        const { y } = await session.run(feeds);
        return y!.data;
      },
      close: () => session.release(),
    };
  },
});

export async function onnxruntimeWebGpu(): Promise<Engine> {
  const ort = await importPeer<Ort>("onnxruntime-web", "dist/ort.webgpu.bundle.min.mjs");
  ort.env.logLevel = "error";
  ort.env.wasm.numThreads = 1;
  ort.env.wasm.wasmBinary = await peerBytes("onnxruntime-web", "dist/ort-wasm-simd-threaded.asyncify.wasm");
  return engine(`onnxruntime-web ${versionOf("onnxruntime-web")} webgpu`, ort, { executionProviders: ["webgpu"] });
}

export async function onnxruntimeWasm(threads: number): Promise<Engine> {
  const ort = await importPeer<Ort>("onnxruntime-web", "dist/ort.node.min.mjs");
  ort.env.logLevel = "error";
  ort.env.wasm.numThreads = threads;
  const name = `onnxruntime-web ${versionOf("onnxruntime-web")} wasm, ${threads} threads`;
  return engine(name, ort, { executionProviders: ["wasm"] });
}

/** The native package's own WebGPU provider: Dawn as part of onnxruntime, on the first adapter that it finds by itself.
 *  @throws Error where it finds none, or the package was built without it */
export async function onnxruntimeNodeWebGpu(): Promise<Engine> {
  const ort = requirePeer<Ort>("onnxruntime-node");
  ort.env.logLevel = "error";
  const name = `onnxruntime-node ${versionOf("onnxruntime-node")} webgpu`;
  return engine(name, ort, { executionProviders: ["webgpu"] });
}

export async function onnxruntimeNode(threads: number): Promise<Engine> {
  const ort = requirePeer<Ort>("onnxruntime-node");
  ort.env.logLevel = "error";
  const name = `onnxruntime-node ${versionOf("onnxruntime-node")}, ${threads} threads`;
  return engine(name, ort, { executionProviders: ["cpu"], intraOpNumThreads: threads });
}
