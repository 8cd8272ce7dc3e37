import { ShapeError } from "../../errors";
import { ceilDiv, type Dispatch, dims4, expectShape, f32, grid1d, read, type Tensor, write } from "../dispatch";
import type { Target } from "../target";
import { gemmStrided } from "./gemm";
import { softmax } from "./softmax";

/** Order of the rows of qkv. legacy: [head][q, k, v]; new: [q, k, v][head]. */
export type QkvOrder = "legacy" | "new";

/** y = softmax(q^T k / sqrt(d)) applied to v, for each sample and head, over all pixels: scores, softmax, weighted sum.
 *  qkv: f32 [N, 3C, H, W]; y: f32 [N, C, H, W]; d = C / heads.   Vaswani et al. 2017
 *  memory: f32 [2, heads, M, d], if given: learned keys and values before those of the pixels, for the new order.
 *  @throws ShapeError if the heads do not divide C, or the memory is of another size. */
export function attention(
  io: { qkv: Tensor; memory?: Tensor | undefined; y: Tensor },
  o: { heads: number; order: QkvOrder; target: Target },
): Dispatch[] {
  const { qkv, memory, y } = io;
  const { heads } = o;
  const [n, c, h, w] = dims4(y);
  expectShape(qkv, n, 3 * c, h, w);
  if (c % heads !== 0) throw new ShapeError(`${y.name}: ${c} channels do not divide into ${heads} heads`);
  const d = c / heads;
  const t = h * w;
  if (memory) return remembering(qkv, memory, y, o);
  const scores = f32(`${y.name}/scores`, n * heads, t, t); // [key, query]
  const part = (index: number) =>
    o.order === "legacy"
      ? { start: index * d * t, outer: 3 * c * t, inner: 3 * d * t }
      : { start: index * c * t, outer: 3 * c * t, inner: d * t };
  const batches = { batches: n * heads, inner: heads };
  return [
    // scores[j, i] = k[:, j] . q[:, i]
    ...gemmStrided(
      `${y.name}/scores`,
      [read(qkv), read(qkv), write(scores)],
      {
        ...batches,
        m: t,
        n: t,
        k: d,
        a: part(1),
        b: part(0),
        aColumns: true,
      },
      o.target,
    ),
    softmax(`${y.name}/softmax`, scores, d, o.target),
    // y[e, i] = v[e, :] . scores[:, i]
    ...gemmStrided(
      `${y.name}/values`,
      [read(qkv), read(scores), write(y)],
      {
        ...batches,
        m: d,
        n: t,
        k: t,
        a: part(2),
        b: { start: 0, outer: heads * t * t, inner: t * t },
        aColumns: false,
      },
      o.target,
    ),
  ];
}

/** Attention over pixels and learned positions: keys and values are copied behind the learned ones first. */
function remembering(
  qkv: Tensor,
  memory: Tensor,
  y: Tensor,
  { heads, order, target }: { heads: number; order: QkvOrder; target: Target },
): Dispatch[] {
  const [n, c, h, w] = dims4(y);
  const [d, t, learned] = [c / heads, h * w, memory.shape[2] ?? 0];
  if (order !== "new") throw new ShapeError(`${memory.name}: expected the new order of q, k and v, got ${order}`);
  expectShape(memory, 2, heads, learned, d);
  const all = learned + t;
  const kv: Tensor = { name: `${y.name}/kv`, shape: [n, 2, c, all], dtype: qkv.dtype };
  const scores = f32(`${y.name}/scores`, n * heads, all, t); // [key, query]
  const batches = { batches: n * heads, inner: heads };
  const part = (index: number) => ({ start: index * c * all, outer: 2 * c * all, inner: d * all });
  const queries = { start: 0, outer: 3 * c * t, inner: d * t };
  const weights = { start: 0, outer: heads * all * t, inner: all * t };
  return [
    {
      label: `${y.name}/remember`,
      shader: "attention/remember",
      constants: { N: n, HEADS: heads, D: d, T: t, MEMORY: learned },
      bindings: [write(kv), read(qkv), read(memory)],
      workgroups: grid1d(ceilDiv(n * 2 * c * all, 64)),
    },
    ...gemmStrided(
      `${y.name}/scores`,
      [read(kv), read(qkv), write(scores)],
      { ...batches, m: all, n: t, k: d, a: part(0), b: queries, aColumns: true },
      target,
    ),
    softmax(`${y.name}/softmax`, scores, d, target),
    ...gemmStrided(
      `${y.name}/values`,
      [read(kv), read(scores), write(y)],
      { ...batches, m: d, n: t, k: all, a: part(1), b: weights, aColumns: false },
      target,
    ),
  ];
}
