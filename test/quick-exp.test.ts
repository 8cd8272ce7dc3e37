import { expect, test } from "vitest";
import { conv, packConv } from "../src/kernels/conv/conv";
import { fromFew } from "../src/kernels/conv/from-few";
import { convShape } from "../src/kernels/conv/variant";
import { f32 } from "../src/kernels/dispatch";
import { softmax } from "../src/kernels/product/softmax";
import { runDispatches } from "./support/device";
import { software } from "./support/targets";

// Software adapters have an exponential of their own, shaders/lib/exp.wgsl.

/** SiLU of each value, through a convolution that keeps its input. */
async function silu(values: readonly number[]): Promise<Float32Array> {
  const n = values.length;
  const shape = convShape({ kernel: 3, n, c1: 1, oc: 1, h: 1, w: 1 });
  const [x, bias, y] = [f32("x", n, 1, 1, 1), f32("bias", 1), f32("y", n, 1, 1, 1)];
  const weight = fromFew.weight("weight", shape, software);
  const packed = packConv(new Float32Array(9).fill(1, 4, 5), fromFew, shape, software);
  const dispatches = conv({ x, weight, bias, y }, { kernel: 3, silu: true }, fromFew, software);
  const inputs = new Map([
    [x, Float32Array.from(values)],
    [weight, new Float32Array(packed.buffer, packed.byteOffset, packed.byteLength / 4)],
    [bias, new Float32Array(1)],
  ]);
  return (await runDispatches(dispatches, inputs, [y]))[0]!;
}

test("SiLU is within rounding of its definition, for values of all sizes", async () => {
  const sizes = [
    ...Array.from({ length: 400 }, (_, i) => i / 16),
    1e-38,
    1e-20,
    1e-6,
    50,
    80,
    86,
    88,
    90,
    200,
    1e4,
    1e20,
    3e38,
  ];
  const values = [...sizes, ...sizes.map((size) => -size)].map(Math.fround);
  const actual = await silu(values);
  values.forEach((v, i) => {
    const expected = v < -700 ? 0 : v / (1 + Math.exp(-v)); // where exp is an infinity
    const error = Math.abs(actual[i]! - expected);
    // Below -86, exp(-v) counts as 2^124.
    const least = v < -85 ? -v * 2 ** -123 : 1e-37;
    expect(error, `${v}`).toBeLessThanOrEqual(Math.abs(expected) * (3 + Math.abs(v)) * 2 ** -23 + least);
  });
});

test("SiLU keeps what is not finite, so that a run that leaves the finite is found", async () => {
  const [nan, high, low] = await silu([Number.NaN, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY]);
  expect(nan).toBeNaN();
  expect(high).toBe(Number.POSITIVE_INFINITY);
  expect(Number.isFinite(low)).toBe(false);
});

test("softmax of scores far apart: the smallest share is nearly 0, and shares add up to 1", async () => {
  const scores = f32("scores", 1, 6, 4);
  const column = [0, -1e-3, -5, -40, -300, -1e30];
  const data = Float32Array.from(column.flatMap((v) => [v, v + 1000, v / 3, v * 2]));
  const [actual] = await runDispatches([softmax("softmax", scores, 1, software)], new Map([[scores, data]]), [scores]);
  for (let i = 0; i < 4; i++) {
    const own = column.map((_, j) => data[j * 4 + i]!);
    const powers = own.map((v) => Math.exp(v - own[0]!));
    const total = powers.reduce((a, b) => a + b, 0);
    powers.forEach((power, j) => {
      expect(Math.abs(actual![j * 4 + i]! - power / total), `column ${i}, row ${j}`).toBeLessThan(2e-7);
    });
  }
});
