import { ShapeError } from "../errors";
import { ceilDiv, type Dispatch, dims4, expectShape, f32, grid1d, read, type Tensor, update, write } from "./dispatch";
import { type Target, tileHeight } from "./variants";

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
  const [n, c, h, w] = dims4(y);
  expectShape(qkv, n, 3 * c, h, w);
  if (c % o.heads !== 0) throw new ShapeError(`${y.name}: ${c} channels do not divide into ${o.heads} heads`);
  const d = c / o.heads;
  const t = h * w;
  const scores = f32(`${y.name}/scores`, n * o.heads, t, t);
  const head = o.order === "legacy" ? 3 * d * t : d * t;
  const part = o.order === "legacy" ? d * t : c * t;
  const batches = { BATCHES: n * o.heads, INNER: o.heads };
  return [
    // scores[i, j] = q[:, i] . k[:, j] / sqrt(d)
    product(`${y.name}/scores`, qkv, qkv, scores, {
      ...batches,
      M: t,
      N: t,
      K: d,
      A_OUTER: 3 * c * t,
      A_INNER: head,
      A_M: 1,
      A_K: t,
      B_START: part,
      B_OUTER: 3 * c * t,
      B_INNER: head,
      B_K: t,
      B_N: 1,
      C_OUTER: o.heads * t * t,
      C_INNER: t * t,
      C_M: t,
      C_N: 1,
      SCALE: d ** -0.5,
    }),
    {
      label: `${y.name}/softmax`,
      shader: "softmax_rows",
      constants: { ROWS: n * o.heads * t, WIDTH: t, WG: 16 },
      bindings: [update(scores)],
      workgroups: grid1d(ceilDiv(n * o.heads * t, 16)),
    },
    // y[c, i] = v[c, :] . scores[i, :]
    product(`${y.name}/values`, qkv, scores, y, {
      ...batches,
      M: d,
      N: t,
      K: t,
      A_START: 2 * part,
      A_OUTER: 3 * c * t,
      A_INNER: head,
      A_M: t,
      A_K: 1,
      B_OUTER: o.heads * t * t,
      B_INNER: t * t,
      B_K: 1,
      B_N: t,
      C_OUTER: c * t,
      C_INNER: d * t,
      C_M: t,
      C_N: 1,
    }),
  ];
}

function product(label: string, a: Tensor, b: Tensor, c: Tensor, constants: Record<string, number>): Dispatch {
  const { M, N, BATCHES } = constants as { M: number; N: number; BATCHES: number };
  const tileM = tileHeight(M, 32);
  const tileN = Math.min(4, ceilDiv(N, 4));
  const tiles = ceilDiv(M, tileM) * ceilDiv(N, 4 * tileN) * BATCHES;
  return {
    label,
    shader: "attention_quad",
    constants: { ...constants, WG: 16, TILE_M: tileM, TILE_N: tileN },
    bindings: [read(a), read(b), write(c)],
    workgroups: grid1d(ceilDiv(tiles, 4)),
  };
}
