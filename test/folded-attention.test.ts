import { expect, test } from "vitest";
import { f32Input, type Graph, GraphBuilder } from "../src/graph/graph";
import { dispatchesOf, lower } from "../src/graph/lower";
import { finished } from "../src/kernels/conv/packing";
import { f32, type Tensor } from "../src/kernels/dispatch";
import { foldedBias, foldedWeights } from "../src/kernels/product/folded-weights";
import type { Target } from "../src/kernels/target";
import { type NetworkOp, networkOps } from "../src/model/ops";
import { seeded } from "../src/random";
import { expectClose } from "./support/close";
import { runDispatches } from "./support/device";
import { referenceGraph } from "./support/reference-network";
import { software } from "./support/targets";

interface Block {
  n: number;
  c: number;
  h: number;
  w: number;
  heads?: number;
  norm?: boolean;
  /** q, k and v are one layer, in the old order */
  joined?: boolean;
  bias?: boolean;
}

/** A block of attention: group norm, projections, attention, projection, and what it is added to. */
function blockOf({ n, c, h, w, heads = 1, norm = true, joined = false, bias = true }: Block): Graph<NetworkOp> {
  const b = new GraphBuilder<NetworkOp>();
  const affine = norm
    ? b.add("norm", { kind: "groupNorm", layer: "norm", groups: 4, eps: 1e-6 }, { x: "x" })
    : undefined;
  const layers = joined ? ["qkv"] : ["q", "k", "v"];
  const qkv = b.add("qkv", { kind: "conv", kernel: 1, layers, channels: 3 * c, bias }, { x: "x", norm: affine });
  const y = b.add("attention", { kind: "attention", heads, order: joined ? "legacy" : "new" }, { qkv });
  b.add("proj", { kind: "conv", kernel: 1, layers: ["proj"], channels: c }, { x: y, residual: "x" }, "y");
  return { inputs: { x: f32Input(n, c, h, w) }, nodes: b.nodes, outputs: ["y"] };
}

/** A weight of the block, by key: projections that keep the size of what they are given. */
const weightOf = (key: string, { c }: Block): Float32Array<ArrayBuffer> => {
  const [layer, part] = key.split(".");
  const rows = layer === "qkv" ? 3 * c : c;
  const values = seeded([...key].reduce((sum, letter) => 31 * sum + letter.charCodeAt(0), 7) >>> 0, [
    part === "weight" && layer !== "norm" ? rows * c : rows,
  ]);
  if (layer === "norm") return values.map((v) => (part === "weight" ? 1 + v / 4 : v));
  return part === "weight" ? values.map((v) => v * Math.sqrt(6 / c)) : values;
};

async function run(graph: Graph<NetworkOp>, block: Block, target: Target) {
  const lowered = lower(graph, target, networkOps);
  const x = f32("x", block.n, block.c, block.h, block.w);
  const inputs = new Map<Tensor, Float32Array<ArrayBuffer>>([[x, seeded(3, x.shape)]]);
  for (const { tensor, sources, packing } of lowered.weights.values()) {
    const all = Float32Array.from(sources.flatMap(({ key }) => [...weightOf(key, block)]));
    const bytes = packing && finished(packing(all, (length) => new Float32Array(length)));
    inputs.set(tensor, bytes ? new Float32Array(bytes.buffer, bytes.byteOffset, bytes.byteLength / 4) : all);
  }
  const [y] = await runDispatches(dispatchesOf(lowered), inputs, [lowered.external.get("y")!]);
  return { lowered, y: y! };
}

const blocks: Record<string, Block> = {
  "DDPM: 16x16": { n: 1, c: 128, h: 16, w: 16 },
  "two samples, of the fewest pixels": { n: 2, c: 32, h: 4, w: 8 },
  "three samples, q, k and v in one layer, no norm": { n: 3, c: 24, h: 8, w: 5, norm: false, joined: true },
  "as many pixels as a tile, no bias": { n: 1, c: 64, h: 8, w: 8, bias: false },
};

for (const [name, block] of Object.entries(blocks))
  test(`${name}: folded attention is that of the graph, and so is the graph's own`, async () => {
    const graph = blockOf(block);
    const folded = await run(graph, block, software);
    expect(folded.lowered.nodes.map(({ kind }) => kind)).toContain("foldedAttention");
    const whole = await run(graph, block, { ...software, folds: false });
    expect(whole.lowered.nodes.map(({ kind }) => kind)).not.toContain("foldedAttention");
    const macs = ({ lowered }: typeof folded) => lowered.nodes.reduce((sum, node) => sum + node.macs, 0);
    expect(macs(folded)).toBe(macs(whole)); // those of the arithmetic itself
    const x = seeded(3, [block.n, block.c, block.h, block.w]);
    const expected = referenceGraph(graph as Graph<never>, (key) => weightOf(key, block), { x }).get("y")!;
    for (const { y } of [folded, whole]) expectClose(y, expected.data, expected.shape, { rtol: 0, atol: 2e-5 });
  });

test("a sample is the same to the bit in any batch", async () => {
  const [one, three] = [1, 3].map((n) => ({ n, c: 32, h: 8, w: 8 })) as [Block, Block];
  const first = (await run(blockOf(one), one, software)).y;
  const all = (await run(blockOf(three), three, software)).y;
  expect(all.subarray(0, first.length)).toEqual(first);
});

const kinds = (graph: Graph<NetworkOp>, target: Target) =>
  lower(graph, target, networkOps).nodes.map(({ kind }) => kind);

test("attention is folded on software adapters only, and only where nothing is rounded more by it", () => {
  const graph = blockOf({ n: 1, c: 128, h: 16, w: 16 });
  expect(kinds(graph, software)).toEqual(["groupNorm", "foldedAttention"]);
  for (const other of [
    { adapterClass: "gpu" },
    { subgroups: false },
    { precision: "exact" },
    { weights: "f16" },
    { activations: "f16" },
    { folds: false },
  ] as const)
    expect(kinds(graph, { ...software, ...other }), JSON.stringify(other)).not.toContain("foldedAttention");
});

test("attention is folded where it pays: one head, few channels, planes that a tile holds", () => {
  for (const block of [
    { n: 1, c: 64, h: 8, w: 8, heads: 2 },
    { n: 1, c: 288, h: 8, w: 8 },
    { n: 1, c: 36, h: 8, w: 8 },
    { n: 1, c: 64, h: 4, w: 4 },
    { n: 1, c: 64, h: 5, w: 7 },
  ])
    expect(kinds(blockOf(block), software), JSON.stringify(block)).not.toContain("foldedAttention");
});

test("attention is not folded where something else reads what is between its parts", () => {
  const graph = blockOf({ n: 1, c: 64, h: 8, w: 8 });
  for (const tensor of ["qkv", "attention"])
    expect(kinds({ ...graph, outputs: ["y", tensor] }, software), tensor).not.toContain("foldedAttention");
  const other = { name: "other", op: { kind: "affine", scale: 2, shift: 0 }, inputs: { x: "attention" }, output: "z" };
  const read = { ...graph, nodes: [...graph.nodes, other as Graph<NetworkOp>["nodes"][number]] };
  expect(kinds(read, software)).not.toContain("foldedAttention");
});

test("folded weights are the products of the projections", () => {
  const c = 3;
  const all = seeded(1, [4 * c * c + 4 * c]);
  const at = (matrix: number, row: number, column: number) => all[(matrix * c + row) * c + column]!;
  const bias = (i: number, row: number) => all[4 * c * c + i * c + row]!;
  const sum = (term: (m: number) => number) => [0, 1, 2].reduce((total, m) => total + term(m), 0);
  const weights = finished(foldedWeights(all, c));
  const biases = foldedBias(all, c);
  for (let i = 0; i < c; i++) {
    for (let j = 0; j < c; j++) {
      expect(weights[i * c + j]).toBeCloseTo(
        sum((m) => at(1, m, i) * at(0, m, j)),
        6,
      );
      expect(weights[(c + i) * c + j]).toBeCloseTo(
        sum((m) => at(3, i, m) * at(2, m, j)),
        6,
      );
    }
    expect(biases[i]).toBeCloseTo(
      sum((m) => at(1, m, i) * bias(0, m)),
      6,
    );
    expect(biases[c + i]).toBeCloseTo(sum((m) => at(3, i, m) * bias(2, m)) + bias(3, i), 6);
  }
});
