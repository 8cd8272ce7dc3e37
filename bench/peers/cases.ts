import { f32Input, type Graph, type Node } from "../../src/graph/graph";
import type { NetworkOp } from "../../src/model/ops";
import { unet } from "../../src/model/unet";
import { seeded } from "../../src/random";
import { timeEmbedding } from "../../src/reference/pointwise";
import { ddpm32 } from "../forwards/ddpm32";
import { randomCheckpoint, randomValues } from "../random-checkpoint";

/** One graph that every engine runs with the same weights and inputs. */
export interface PeerCase {
  readonly name: string;
  readonly graph: Graph<NetworkOp>;
  /** by graph input; `temb` is the embedded time step, for engines that do not embed it themselves */
  readonly inputs: ReadonlyMap<string, Float32Array<ArrayBuffer>>;
  readonly outputShape: readonly number[];
  weights(): Promise<ReadonlyMap<string, Float32Array<ArrayBuffer>>>;
}

/** The time step of the network's case. */
export const TIME = 500;

function nodeCase(
  name: string,
  [channels, side]: readonly [number, number],
  outChannels: number,
  op: NetworkOp,
  shapes: Readonly<Record<string, readonly number[]>>,
): PeerCase {
  const role = op.kind === "attention" ? "qkv" : "x";
  const node: Node<NetworkOp> = { name: "node", op, inputs: { [role]: "x" }, output: "y" };
  const shape = [1, channels, side, side];
  return {
    name,
    graph: { inputs: { x: f32Input(...shape) }, nodes: [node], outputs: ["y"] },
    inputs: new Map([["x", seeded(1, shape)]]),
    outputShape: [1, outChannels, side, side],
    weights: async () =>
      new Map(Object.entries(shapes).map(([key, shape], i) => [key, randomValues(i + 1, key, shape)])),
  };
}

export const conv = (kernel: 1 | 3, from: number, to: number, side: number): PeerCase =>
  nodeCase(
    `conv${kernel}x${kernel} ${from === to ? to : `${from}->${to}`}@${side}`,
    [from, side],
    to,
    kernel === 3
      ? { kind: "conv", kernel: 3, layers: ["conv"], channels: to }
      : { kind: "conv", kernel: 1, layers: ["conv"], channels: to },
    { "conv.weight": [to, from, kernel, kernel], "conv.bias": [to] },
  );

const groupNorm = (channels: number, side: number): PeerCase =>
  nodeCase(
    `group norm+silu ${channels}@${side}`,
    [channels, side],
    channels,
    { kind: "groupNorm", layer: "norm", groups: 32, eps: 1e-6, apply: true, silu: true },
    { "norm.weight": [channels], "norm.bias": [channels] },
  );

const attention = (channels: number, side: number): PeerCase =>
  nodeCase(
    `attention ${channels}@${side}`,
    [3 * channels, side],
    channels,
    { kind: "attention", heads: 1, order: "legacy" },
    {},
  );

/** The whole network of 3.17 GFLOP, time embedding included. */
function network(): PeerCase {
  const { graph, eps } = unet(ddpm32, 1);
  const checkpoint = randomCheckpoint("ddpm32", ddpm32);
  const shape = [1, 3, ddpm32.height, ddpm32.width];
  return {
    name: "unet ddpm32",
    graph: { ...graph, outputs: [eps] },
    inputs: new Map([
      ["x", seeded(1, shape)],
      ["temb", Float32Array.from(timeEmbedding([TIME], ddpm32.channels, "sin-cos"))],
    ]),
    outputShape: shape,
    weights: async () => {
      const weights = new Map<string, Float32Array<ArrayBuffer>>();
      for (const key of checkpoint.tensors.keys())
        weights.set(key, (await checkpoint.read(key)) as Float32Array<ArrayBuffer>);
      return weights;
    },
  };
}

export const peerCases: readonly PeerCase[] = [
  conv(3, 64, 64, 32),
  conv(3, 128, 128, 32),
  conv(3, 256, 256, 16),
  conv(3, 64, 64, 64),
  conv(3, 512, 512, 8),
  conv(1, 128, 128, 32),
  conv(1, 256, 768, 16),
  groupNorm(128, 32),
  attention(128, 16),
  attention(256, 16),
  network(),
];
