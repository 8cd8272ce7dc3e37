import {
  type ConvSizes,
  type ConvTensors,
  inputBindings,
  inputConstants,
  outputBindings,
  outputConstants,
} from "./conv-io";
import { ceilDiv, type Dispatch, f32, grid1d, read, type Tensor, write } from "./dispatch";
import { tileHeight } from "./variants";

/** Winograd convolution F(m x m, 3 x 3) in three dispatches: transform the input tiles, multiply in the transform domain,
 *  transform the sums back.   Lavin & Gray 2016, arXiv:1509.09308 */
export interface WinogradVariant {
  readonly kind: "winograd";
  /** Output pixels along a tile's side: 4 (36 products for 16 pixels) or 2 (16 for 4, ten times as exact). */
  readonly m: 2 | 4;
  readonly weights: "f32" | "f16";
  readonly subgroups: boolean;
  readonly tileM: number;
  readonly tileN: number;
  /** Scratch tensors stay below this. */
  readonly scratchBytes: number;
}

/** Rows of G: a 3-tap filter in the transform domain. */
const G = {
  2: [
    [1, 0, 0],
    [1 / 2, 1 / 2, 1 / 2],
    [1 / 2, -1 / 2, 1 / 2],
    [0, 0, 1],
  ],
  4: [
    [1 / 4, 0, 0],
    [-1 / 6, -1 / 6, -1 / 6],
    [-1 / 6, 1 / 6, -1 / 6],
    [1 / 24, 1 / 12, 1 / 6],
    [1 / 24, -1 / 12, 1 / 6],
    [0, 0, 1],
  ],
} as const;

/** Channels rounded up to what the multiplication takes in one step. */
export const winogradDepth = (channels: number): number => ceilDiv(channels, 4) * 4;

/** U = G w G^T as f32 [(m+2)^2, OC, K].   w: OIHW */
export function winogradWeights(w: Float32Array, oc: number, ic: number, m: 2 | 4): Float32Array<ArrayBuffer> {
  const g = G[m];
  const side = m + 2;
  const k = winogradDepth(ic);
  const u = new Float32Array(side * side * oc * k);
  for (let o = 0; o < oc; o++)
    for (let c = 0; c < ic; c++) {
      const at = (o * ic + c) * 9;
      for (let i = 0; i < side; i++) {
        const row = [0, 1, 2].map(
          (x) => g[i]![0]! * w[at + x]! + g[i]![1]! * w[at + 3 + x]! + g[i]![2]! * w[at + 6 + x]!,
        );
        for (let j = 0; j < side; j++)
          u[((i * side + j) * oc + o) * k + c] = g[j]![0]! * row[0]! + g[j]![1]! * row[1]! + g[j]![2]! * row[2]!;
      }
    }
  return u;
}

export function winograd(
  io: ConvTensors,
  s: ConvSizes,
  silu: boolean,
  upsample: boolean,
  v: WinogradVariant,
): Dispatch[] {
  const positions = (v.m + 2) ** 2;
  const k = winogradDepth(s.c1 + s.c2);
  const columns = s.n * ceilDiv(s.oh, v.m) * ceilDiv(s.ow, v.m);
  const most = Math.max(1, Math.floor(v.scratchBytes / (positions * Math.max(k, s.oc) * 4)));
  const chunks = ceilDiv(columns, most);
  const chunk = ceilDiv(columns, chunks);
  const dispatches: Dispatch[] = [];
  for (let i = 0; i < chunks; i++) {
    const start = i * chunk;
    const suffix = chunks > 1 ? `${i}` : "";
    dispatches.push(...winogradChunk(io, s, silu, upsample, v, start, Math.min(chunk, columns - start), suffix));
  }
  return dispatches;
}

function winogradChunk(
  io: ConvTensors,
  { n, c1, c2, oc, h, w, oh, ow }: ConvSizes,
  silu: boolean,
  upsample: boolean,
  variant: WinogradVariant,
  start: number,
  cols: number,
  suffix: string,
): Dispatch[] {
  const { m, tileM, tileN, weights } = variant;
  const name = io.y.name;
  const k = winogradDepth(c1 + c2);
  const positions = (m + 2) ** 2;
  const tiles = f32(`${name}/tiles${suffix}`, positions, cols, k);
  const sums = f32(`${name}/sums${suffix}`, positions, oc, cols);
  const where = { N: n, OH: oh, OW: ow, COL_START: start, COLS: cols };
  return [
    {
      label: `${name}/input`,
      shader: `winograd${m}_input`,
      constants: {
        ...where,
        C1: c1,
        C2: c2,
        K: k,
        H: h,
        W: w,
        UPSAMPLE: upsample ? 2 : 1,
        ...inputConstants(io, silu),
        WG: 64,
      },
      bindings: [...inputBindings(io), write(tiles)],
      workgroups: grid1d(ceilDiv(cols * k, 64)),
    },
    gemm(`${name}/gemm`, io.weight, tiles, sums, { m: oc, n: cols, k, batches: positions, tileM, tileN, weights }),
    {
      label: `${name}/output`,
      shader: `winograd${m}_output`,
      constants: { ...where, OC: oc, ...outputConstants(io), WG: 64 },
      bindings: [read(sums), ...outputBindings(io)],
      workgroups: grid1d(ceilDiv(cols * oc, 64)),
    },
  ];
}

/** c[z] = a[z] b[z]^T.   a: [batches, m, k]; b: f32 [batches, n, k]; c: f32 [batches, m, n] */
function gemm(
  label: string,
  a: Tensor,
  b: Tensor,
  c: Tensor,
  s: { m: number; n: number; k: number; batches: number; tileM: number; tileN: number; weights: "f32" | "f16" },
): Dispatch {
  const tileM = tileHeight(s.m, s.tileM);
  const tiles = ceilDiv(s.m, tileM) * ceilDiv(s.n, 4 * s.tileN) * s.batches;
  return {
    label,
    shader: "gemm_quad",
    constants: {
      M: s.m,
      N: s.n,
      K: s.k,
      BATCHES: s.batches,
      WG: 16,
      TILE_M: tileM,
      TILE_N: s.tileN,
      PER_WORD: s.weights === "f16" ? 2 : 1,
    },
    bindings: [read(a), read(b), write(c)],
    workgroups: grid1d(ceilDiv(tiles, 4)),
  };
}
