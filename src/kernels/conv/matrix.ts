import type { Tile } from "../product/tiles";
import type { Matrices, MatrixConfig, MatrixTile, Target, TileVariant } from "./variants";

/** Lanes of a workgroup of shaders/conv/matrix.wgsl, and what lies between the rows of its tiles. */
export const MATRIX_LANES = 256;
const PADDING = 8;

/** The tile variants that subgroup matrices can compute here, for the largest matrices: large tiles first; none where the
 *  device has no such feature. Operands in f16 are for weights in f16: they round activations to 11 bits, which f32 users
 *  did not ask for.   @param pixels of the output, over all samples */
export function matrixVariants(oc: number, pixels: number, { matrices, weights }: Target): TileVariant[] {
  if (!matrices) return [];
  const sizes: Tile[] = [
    { tileM: 128, tileN: 256 },
    { tileM: 128, tileN: 128 },
    { tileM: 64, tileN: 64 },
    { tileM: 32, tileN: 32 },
  ];
  const fitting = sizes.filter(
    ({ tileM, tileN }, i) => i === sizes.length - 1 || (tileM < 2 * oc && tileN < 2 * pixels),
  );
  return matrices.configs
    .filter(({ component }) => component === "f32" || (weights === "f16" && matrices.f16))
    .sort((a, b) => b.m * b.n * b.k - a.m * a.n * a.k)
    .flatMap((config) => fitting.map((tile) => ({ tile, matrix: shared(config, tile, matrices) })))
    .flatMap(({ tile, matrix }) => (matrix ? [{ kind: "tile", weights, tile, matrix } as const] : []));
}

/** Divides a tile among the subgroups that a workgroup has at least, as squarely as it goes, in steps as deep as fit;
 *  undefined where it does not divide, or takes more memory than a workgroup has. */
function shared(
  config: MatrixConfig,
  { tileM, tileN }: Tile,
  { maxLanes, workgroupBytes }: Matrices,
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
  const bytes = (depth: number) =>
    depth * (tileM + tileN + 2 * PADDING) * (config.component === "f16" ? 2 : 4) + most * m * n * 4;
  const depth = ([32, 16] as const).find((d) => d % k === 0 && bytes(d) <= workgroupBytes);
  return best && depth ? { ...config, depth, subgroups: most, ...best } : undefined;
}

/** The shader of a tile, and the constants that only it has. */
export function matrixShader({ component, m, n, k, subgroups, across, rows, columns }: MatrixTile) {
  return {
    shader: "conv/matrix",
    constants: {
      Element: component,
      MATRIX_M: m,
      MATRIX_N: n,
      MATRIX_K: k,
      PADDING,
      SUBGROUPS: subgroups,
      ACROSS: across,
      ROWS: rows,
      COLUMNS: columns,
    },
  };
}
