import type { Engine } from "./engine";
import { type GroupNormOptions, interpret, type Ops, type Weight, Weights } from "./interpret";
import { requirePeer, versionOf } from "./packages";

/** The little of TF.js that is used. */
interface Tensor {
  readonly shape: readonly number[];
  data(): Promise<Float32Array>;
  dispose(): void;
}
type Shape = readonly number[];
interface Tf {
  setBackend(name: string): Promise<boolean>;
  ready(): Promise<void>;
  getBackend(): string;
  enableProdMode(): void;
  removeBackend(name: string): void;
  tidy<T>(work: () => T): T;
  keep(t: Tensor): Tensor;
  tensor(data: Float32Array, shape: Shape): Tensor;
  reshape(x: Tensor, shape: Shape): Tensor;
  transpose(x: Tensor, order: readonly number[]): Tensor;
  concat(xs: readonly Tensor[], axis: number): Tensor;
  split(x: Tensor, parts: number, axis: number): Tensor[];
  slice(x: Tensor, begin: Shape, size: Shape): Tensor;
  pad(x: Tensor, pads: readonly Shape[]): Tensor;
  add(a: Tensor, b: Tensor): Tensor;
  sub(a: Tensor, b: Tensor): Tensor;
  mul(a: Tensor, b: Tensor | number): Tensor;
  rsqrt(x: Tensor): Tensor;
  sigmoid(x: Tensor): Tensor;
  softmax(x: Tensor): Tensor;
  matMul(a: Tensor, b: Tensor, transposeA?: boolean, transposeB?: boolean): Tensor;
  moments(x: Tensor, axes: readonly number[], keepDims: boolean): { mean: Tensor; variance: Tensor };
  scalar(value: number): Tensor;
  readonly image: { resizeNearestNeighbor(x: Tensor, size: readonly [number, number]): Tensor };
  readonly fused: {
    conv2d(o: { x: Tensor; filter: Tensor; bias: Tensor; strides: number; pad: "same" | "valid" | number }): Tensor;
    matMul(o: { a: Tensor; b: Tensor; bias: Tensor }): Tensor;
  };
}

/** TF.js on WebGPU, in its own layout [N, H, W, C]; weights are brought into its order once. */
export async function tfjs(): Promise<Engine> {
  const tf = requirePeer<Tf>("@tensorflow/tfjs-core");
  requirePeer("@tensorflow/tfjs-backend-webgpu");
  tf.enableProdMode();
  if (!(await tf.setBackend("webgpu"))) throw new Error("TF.js has no WebGPU here");
  await tf.ready();
  return {
    name: `TF.js ${versionOf("@tensorflow/tfjs-core")} webgpu`,
    async open({ graph, inputs, weights }) {
      const given = new Weights(await weights());
      const kept = new Map<string, Tensor>();
      const run = async () => {
        const y = tf.tidy(() => {
          const y = interpret(graph, operations(tf, inputs, kept), given);
          return tf.transpose(y, [0, 3, 1, 2]);
        });
        const data = await y.data();
        y.dispose();
        return data;
      };
      return {
        run,
        close() {
          for (const tensor of kept.values()) tensor.dispose();
        },
      };
    },
    close: () => tf.removeBackend("webgpu"),
  };
}

function operations(tf: Tf, inputs: ReadonlyMap<string, Float32Array>, kept: Map<string, Tensor>): Ops<Tensor> {
  /** A weight on the device, uploaded when first used. */
  const on = ({ key, shape, data }: Weight, turn?: readonly number[]): Tensor => {
    let tensor = kept.get(key);
    if (!tensor) {
      const given = tf.tensor(data, shape);
      tensor = tf.keep(turn ? tf.transpose(given, turn) : given);
      kept.set(key, tensor);
    }
    return tensor;
  };
  return {
    input(name, shape) {
      const x = tf.tensor(inputs.get(name)!, shape);
      return shape.length === 4 ? tf.transpose(x, [0, 2, 3, 1]) : x;
    },
    concat: (a, b) => tf.concat([a, b], 3),
    add: (a, b) => tf.add(a, b),
    silu: (x) => tf.mul(x, tf.sigmoid(x)),
    slice: (x, from, count) => tf.slice(x, [0, from], [x.shape[0]!, count]),
    addRow: (x, row) => tf.add(x, tf.reshape(row, [row.shape[0]!, 1, 1, row.shape[1]!])),
    linear: (x, weight, bias) => tf.fused.matMul({ a: x, b: on(weight, [1, 0]), bias: on(bias) }),
    conv(x, weight, bias, { stride, pads }) {
      // "same" of a 3x3 with stride 2 pads right and below, as DDPM asks.
      const asymmetric = pads[0] !== pads[2];
      const pad = weight.shape[2] === 1 ? "valid" : asymmetric || stride === 1 ? "same" : 1;
      return tf.fused.conv2d({ x, filter: on(weight, [2, 3, 1, 0]), bias: on(bias), strides: stride, pad });
    },
    groupNorm(x, gamma, beta, { shape: [n, c, h, w], groups, eps }: GroupNormOptions) {
      const grouped = tf.reshape(x, [n, h * w, groups, c / groups]);
      const { mean, variance } = tf.moments(grouped, [1, 3], true);
      const normal = tf.mul(tf.sub(grouped, mean), tf.rsqrt(tf.add(variance, tf.scalar(eps))));
      return tf.add(tf.mul(tf.reshape(normal, [n, h, w, c]), on(gamma)), on(beta));
    },
    attention(qkv, [n, c, h, w]) {
      const [q, k, v] = tf.split(tf.reshape(qkv, [n, h * w, 3 * c]), 3, 2) as [Tensor, Tensor, Tensor];
      const weights = tf.softmax(tf.mul(tf.matMul(q, k, false, true), c ** -0.5));
      return tf.reshape(tf.matMul(weights, v), [n, h, w, c]);
    },
    upsample2x: (x, [, , h, w]) => tf.image.resizeNearestNeighbor(x, [2 * h, 2 * w]),
  };
}
