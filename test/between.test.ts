import { expect, test } from "vitest";
import { mergeBetween } from "../src/kernels/conv/between";
import { expectClose } from "./support/close";
import { type Chain, chainRun } from "./support/conv-chain";
import { runDispatches } from "./support/device";

// What a GPU merges between two Winograd convolutions, against the formulas and against the kernels one by one.

const names = (run: { readonly merged: readonly { readonly shader: string }[] }) => run.merged.map((d) => d.shader);

const chains: Record<string, Chain> = {
  "res block: convolution, time embedding, group norm, convolution": {
    n: 2,
    h: 8,
    w: 8,
    c1: 24,
    first: { c0: 16, m: 2, tembN: 1 },
    groups: 6,
    silu: true,
    second: { m: 2, oc: 20 },
  },
  "to the next block: residual, skip that straddles a group, F(4,3) of an odd plane": {
    n: 2,
    h: 10,
    w: 14,
    c1: 20,
    first: { c0: 17, m: 4, residualN: 1 },
    c2: 28,
    skipN: 1,
    groups: 16,
    silu: true,
    second: { m: 4, oc: 9 },
  },
  "many channels of few pixels, scaled and shifted by the embedding": {
    n: 3,
    h: 2,
    w: 2,
    c1: 64,
    first: { c0: 32, m: 2, residualN: 3 },
    groups: 2,
    filmN: 1,
    silu: true,
    second: { m: 2, oc: 18 },
  },
  "stride 2, then group norm over all channels": {
    n: 2,
    h: 6,
    w: 4,
    c1: 20,
    first: { c0: 33, m: 2, stride: 2 },
    groups: 1,
    second: { m: 4, oc: 16 },
  },
  "enlarged before and after": {
    n: 2,
    h: 6,
    w: 10,
    c1: 16,
    first: { c0: 16, m: 4, upsample: true },
    groups: 4,
    silu: true,
    second: { m: 2, oc: 17, upsample: true },
  },
  "no group norm, then stride 2": {
    n: 2,
    h: 8,
    w: 12,
    c1: 32,
    first: { c0: 16, m: 4, residualN: 2 },
    second: { m: 2, oc: 16, stride: 2 },
  },
  "no group norm, then enlarged": {
    n: 3,
    h: 5,
    w: 7,
    c1: 20,
    first: { c0: 16, m: 2, tembN: 3 },
    second: { m: 4, oc: 16, upsample: true },
  },
  "x of another kernel": {
    n: 2,
    h: 6,
    w: 6,
    c1: 24,
    groups: 8,
    filmN: 2,
    silu: true,
    second: { m: 4, oc: 24 },
  },
  "x of another kernel, with a skip": {
    n: 2,
    h: 16,
    w: 16,
    c1: 12,
    c2: 36,
    skipN: 2,
    groups: 16,
    silu: true,
    second: { m: 4, oc: 16 },
  },
};

for (const [name, chain] of Object.entries(chains))
  test(name, async () => {
    const run = chainRun(chain);
    const one = ["conv/winograd_between", "product/sliced", "conv/winograd_output"];
    expect(names(run)).toEqual(chain.first ? ["conv/winograd_input", "product/sliced", ...one] : one);
    const outputs = chain.first ? [run.x, run.y] : [run.y];
    const merged = await runDispatches(run.merged, run.inputs, outputs);
    const expected = run.expected().slice(chain.first ? 0 : 1);
    merged.forEach((values, i) => {
      expectClose(values, expected[i]!, outputs[i]!.shape, { rtol: 2e-4, atol: 5e-4 });
    });
    const apart = await runDispatches(run.apart, run.inputs, outputs);
    expect(merged).toEqual(apart); // to the bit

    const { n, first } = chain;
    const oneSample = (count: number | undefined) => (count && count > 1 ? 1 : count);
    const last = chainRun({
      ...chain,
      n: 1,
      ...(first && {
        first: {
          ...first,
          ...(first.tembN && { tembN: oneSample(first.tembN)! }),
          ...(first.residualN && { residualN: oneSample(first.residualN)! }),
        },
      }),
      ...(chain.skipN && { skipN: 1 }),
      ...(chain.filmN && { filmN: 1 }),
    });
    const [alone] = await runDispatches(last.merged, last.inputs, [last.y]);
    expect(alone).toEqual(merged.at(-1)!.subarray(0, alone!.length)); // sample 0 of the batch of n
    expect(n).toBeGreaterThan(1);
  });

test("what does not fit stays as it is", () => {
  const small = chains["res block: convolution, time embedding, group norm, convolution"]!;
  const apart = (chain: Chain) => chainRun(chain).apart;
  const kept = (chain: Chain, ...tensors: string[]) => {
    const dispatches = apart(chain);
    const merged = mergeBetween(dispatches, new Set(tensors));
    expect(merged).toHaveLength(dispatches.length);
    return merged.flatMap((dispatch) => (dispatch ? [dispatch.shader] : []));
  };
  const all = apart(small).map(({ shader }) => shader);
  expect(kept(small)).toHaveLength(5);
  expect(kept(small, "norm")).toEqual(all); // somebody reads the norm afterwards
  expect(kept(small, "x")).toHaveLength(5); // x is written all the same
  const input = ["conv/winograd_input", "product/sliced"];
  // A time embedding and a residual: x by itself, the rest merged.
  expect(kept({ ...small, first: { ...small.first!, residualN: 1 } })).toEqual([
    ...input,
    "conv/winograd_output",
    "conv/winograd_between",
    "product/sliced",
    "conv/winograd_output",
  ]);
  // A skip and a scale and shift share a binding; channels that are no multiple of 4 are padded; groups have too many tiles.
  const joined = { ...small, c2: 24, skipN: 2 };
  expect(kept({ ...joined, filmN: 1 })).toContain("norm/group");
  expect(kept({ ...small, c1: 18 })).toContain("norm/group");
  expect(kept({ ...small, h: 64, w: 64, c1: 16, groups: 1 })).toContain("norm/group");
  // What is added and the skip are the same tensor, which cannot be bound twice for writing.
  const both = apart({ ...joined, first: { c0: 16, m: 2, residualN: 2 } });
  const skip = both.find(({ shader }) => shader === "norm/group")!.bindings[5]!.tensor;
  const same = both.map((d) => ({
    ...d,
    bindings: d.bindings.map((b) => (b.tensor.name === "residual" ? { ...b, tensor: skip } : b)),
  }));
  const shaders = (given: typeof both) => mergeBetween(given, new Set()).flatMap((d) => (d ? [d.shader] : []));
  expect(shaders(both)).toHaveLength(5);
  expect(shaders(same).slice(2, 4)).toEqual(["conv/winograd_output", "conv/winograd_between"]);
  // Another reader of the norm, or a skip that is written between the two.
  const parts = apart(joined);
  const last = parts.at(-1)!;
  const reader = { ...last, bindings: [{ tensor: parts[3]!.bindings[0]!.tensor, access: "read" as const }] };
  expect(mergeBetween([...parts, reader], new Set()).every((d) => d !== undefined)).toBe(true);
  const late = { ...last, bindings: [{ tensor: parts[3]!.bindings[5]!.tensor, access: "write" as const }] };
  const [before, after] = [parts.slice(0, 3), parts.slice(3)];
  const merged = mergeBetween([...before, late, ...after], new Set()).flatMap((d) => (d ? [d.shader] : []));
  expect(merged.slice(0, 5)).toEqual([...input, "conv/winograd_output", last.shader, "conv/winograd_between"]);
});
