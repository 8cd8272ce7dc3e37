import type { Tile } from "../product/tiles";
import { tileName } from "../product/tiles";
import type { Matrices, MatrixConfig, Target } from "../target";
import { convNormalised } from "./normalised";
import { implicitCost, implicitDispatches, implicitWeights } from "./tile";
import { type ConvShape, type ConvVariant, outputSides } from "./variant";

/** Division of a workgroup's tile in shaders/conv/matrix.wgsl and matrix_patch.wgsl: matrices of M x N and K deep, `rows` x `columns` of them to
 *  each of `subgroups` subgroups, `across` of which stand side by side; `depth` channels a step. */
export interface MatrixTile extends MatrixConfig {
  readonly depth: 16 | 32;
  readonly subgroups: number;
  readonly across: number;
  readonly rows: number;
  readonly columns: number;
}

/** Lanes of a workgroup of either shader, and elements between the rows of what it keeps in workgroup memory. */
export const MATRIX_LANES = 256;
export const PADDING = 8;

/** Tiles that are tried, the largest first. */
export const matrixTiles: readonly Tile[] = [
  { tileM: 128, tileN: 256 },
  { tileM: 128, tileN: 128 },
  { tileM: 64, tileN: 64 },
  { tileM: 32, tileN: 32 },
];

/** The largest matrices that a tile divides into here; undefined where there are none. Operands in f16 are for weights in f16:
 *  they round activations to 11 bits, which f32 users did not ask for. */
export const matrixTile = (tile: Pick<Tile, "tileM" | "tileN">, target: Target): MatrixTile | undefined =>
  dividedTile(tile, target, tile.tileN, (depth) => depth * (tile.tileM + tile.tileN + 2 * PADDING));

/** The same for any shader.
 *  @param across columns of which a matrix is a divisor
 *  @param elements of operands in workgroup memory, in steps of `depth` channels */
export function dividedTile(
  tile: Pick<Tile, "tileM" | "tileN">,
  { matrices, weights }: Target,
  across: number,
  elements: (depth: number) => number,
): MatrixTile | undefined {
  if (!matrices) return undefined;
  return matrices.configs
    .filter(({ component }) => component === "f32" || (weights === "f16" && matrices.f16))
    .sort((a, b) => b.m * b.n * b.k - a.m * a.n * a.k)
    .map((config) => (across % config.n === 0 ? shared(config, tile, matrices, elements) : undefined))
    .find((found) => found !== undefined);
}

/** Divides a tile among the subgroups that a workgroup has at least, as squarely as it goes, in steps as deep as fit;
 *  undefined where it does not divide, or takes more memory than a workgroup has. */
function shared(
  config: MatrixConfig,
  { tileM, tileN }: Pick<Tile, "tileM" | "tileN">,
  { maxLanes, workgroupBytes }: Matrices,
  elements: (depth: number) => number,
): MatrixTile | undefined {
  const { m, n, k } = config;
  if (MATRIX_LANES % maxLanes !== 0 || tileM % m !== 0 || tileN % n !== 0) return undefined;
  const [high, wide] = [tileM / m, tileN / n];
  const most = Math.min(MATRIX_LANES / maxLanes, high * wide);
  const shapes = Array.from({ length: most }, (_, i) => i + 1).flatMap((across) => {
    const down = most / across;
    const [rows, columns] = [high / down, wide / across];
    return [down, rows, columns].every(Number.isInteger) ? [{ across, rows, columns }] : [];
  });
  const loads = ({ rows, columns }: (typeof shapes)[number]) => rows * m + columns * n;
  const best = shapes.sort((a, b) => loads(a) - loads(b))[0];
  const bytes = (depth: number) => elements(depth) * (config.component === "f16" ? 2 : 4) + most * m * n * 4;
  const depth = ([32, 16] as const).find((d) => d % k === 0 && bytes(d) <= workgroupBytes);
  return best && depth ? { ...config, depth, subgroups: most, ...best } : undefined;
}

/** Whether less than half of a tile is wasted, as always of the smallest. */
function fits({ tileM, tileN }: Tile, s: ConvShape): boolean {
  const [oh, ow] = outputSides(s);
  return tileM === 32 || (tileM < 2 * s.oc && tileN < 2 * s.n * oh * ow);
}

export const matrixConstants = ({ component, m, n, k, subgroups, across, rows, columns }: MatrixTile) => ({
  Element: component,
  MATRIX_M: m,
  MATRIX_N: n,
  MATRIX_K: k,
  PADDING,
  SUBGROUPS: subgroups,
  ACROSS: across,
  ROWS: rows,
  COLUMNS: columns,
});

/** The product of `tile` by subgroup matrices (tensor cores). shaders/conv/matrix.wgsl
 *  @param o splits: parts of the channels, where they should not suit the sizes */
export const matrix = (tile: Tile, o: { splits?: number } = {}): ConvVariant => ({
  name: `matrix ${tileName(tile)}`,
  tolerance: () => 5e-3, // of f16 operands
  onlyTuned: true,
  runs: (s, t) => matrixTile(tile, t) !== undefined && fits(tile, s),
  cost: (s, t) => implicitCost(s, t, 1 / 4),
  ...implicitWeights,
  dispatches(io, sizes, options, t) {
    const { n, c1, c2 } = sizes;
    const divided = matrixTile(tile, t)!;
    const constants = matrixConstants(divided);
    const product = {
      shader: "conv/matrix",
      constants,
      tile,
      lanes: MATRIX_LANES,
      depth: divided.depth,
      splits: o.splits,
    };
    if (io.norm?.shape[0] !== n) return implicitDispatches(io, sizes, options, product);
    return convNormalised(io, options.silu, (plain) =>
      implicitDispatches(plain, { ...sizes, c1: c1 + c2, c2: 0 }, { ...options, silu: false }, product),
    );
  },
});
