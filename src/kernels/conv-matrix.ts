import type { Tile } from "./tiles";
import type { MatrixConfig, MatrixTile, Target, TileVariant } from "./variants";

/** Lanes of a workgroup of shaders/conv_matrix.wgsl, and channels of one of its steps. */
const LANES = 256;
const DEPTH = 16;

/** Workgroup memory that every adapter has. */
const WORKGROUP_BYTES = 16384;

/** The tile variants that subgroup matrices can compute here, for the largest matrices: large tiles first; none where the
 *  device has no such feature. Operands in f16 are for weights in f16: they round activations to 11 bits, which f32 users
 *  did not ask for. */
export function matrixVariants(oc: number, { matrices, weights }: Target): TileVariant[] {
  if (!matrices) return [];
  const sizes: Tile[] = [
    ...(oc > 64 ? [{ tileM: 128, tileN: 128 } as const] : []),
    ...(oc > 32 ? [{ tileM: 64, tileN: 64 } as const] : []),
    { tileM: 32, tileN: 32 },
  ];
  return matrices.configs
    .filter(({ component }) => component === "f32" || (weights === "f16" && matrices.f16))
    .sort((a, b) => b.m * b.n * b.k - a.m * a.n * a.k)
    .flatMap((config) => sizes.map((tile) => ({ tile, matrix: shared(config, tile, matrices.maxLanes) })))
    .flatMap(({ tile, matrix }) => (matrix ? [{ kind: "tile", weights, tile, matrix } as const] : []));
}

/** Divides a tile among the subgroups that a workgroup has at least, as squarely as it goes; undefined where it does not
 *  divide, or takes more memory than a workgroup is sure to have. */
function shared(config: MatrixConfig, { tileM, tileN }: Tile, maxLanes: number): MatrixTile | undefined {
  const { m, n, k } = config;
  if (LANES % maxLanes !== 0 || tileM % m !== 0 || tileN % n !== 0 || DEPTH % k !== 0) return undefined;
  const [high, wide] = [tileM / m, tileN / n];
  const most = Math.min(LANES / maxLanes, high * wide);
  const shapes = Array.from({ length: most }, (_, i) => i + 1).flatMap((across) => {
    const down = most / across;
    const [rows, columns] = [high / down, wide / across];
    return [down, rows, columns].every(Number.isInteger) ? [{ across, rows, columns }] : [];
  });
  const loads = ({ rows, columns }: (typeof shapes)[number]) => rows * m + columns * n;
  const best = shapes.sort((a, b) => loads(a) - loads(b))[0];
  const bytes = DEPTH * (tileM + tileN) * (config.component === "f16" ? 2 : 4) + most * m * n * 4;
  return best && bytes <= WORKGROUP_BYTES ? { ...config, subgroups: most, ...best } : undefined;
}

/** The shader of a tile, and the constants that only it has. */
export function matrixShader({ component, m, n, k, subgroups, across, rows, columns }: MatrixTile) {
  return {
    shader: component === "f16" ? "conv_matrix_f16" : "conv_matrix",
    constants: {
      MATRIX_M: m,
      MATRIX_N: n,
      MATRIX_K: k,
      SUBGROUPS: subgroups,
      ACROSS: across,
      ROWS: rows,
      COLUMNS: columns,
    },
  };
}
