import { ShapeError } from "../../errors";
import { type Dispatch, dims4, expectShape, f32, read, type Tensor, write } from "../dispatch";
import type { Target } from "../target";
import { gemmStrided } from "./gemm";
import { softmax } from "./softmax";

/** Order of the rows of qkv. legacy: [head][q, k, v]; new: [q, k, v][head]. */
export type QkvOrder = "legacy" | "new";

/** y = softmax(q^T k / sqrt(d)) applied to v, for each sample and head, over all pixels: scores, softmax, weighted sum.
 *  qkv: f32 [N, 3C, H, W]; y: f32 [N, C, H, W]; d = C / heads.   Vaswani et al. 2017
 *  @throws ShapeError if the heads do not divide C. */
export function attention(
  io: { qkv: Tensor; y: Tensor },
  o: { heads: number; order: QkvOrder; target: Target },
): Dispatch[] {
  const { qkv, y } = io;
  const { heads } = o;
  const [n, c, h, w] = dims4(y);
  expectShape(qkv, n, 3 * c, h, w);
  if (c % heads !== 0) throw new ShapeError(`${y.name}: ${c} channels do not divide into ${heads} heads`);
  const d = c / heads;
  const t = h * w;
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
