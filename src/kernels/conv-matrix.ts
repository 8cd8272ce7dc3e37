import type { MatrixConfig, MatrixTile, Target, TileVariant } from "./variants";

/** Lanes of a workgroup, and pixels of its tile: shaders/conv_matrix.wgsl is written for these. */
const LANES = 256;
const PIXELS = 32;

/** The tile variants that subgroup matrices can compute here, best first; none where the device has no such feature.
 *  Never a default, only candidates of the tuner, which checks them first: no adapter that has them has run them yet.
 *  Operands in f16 are for weights in f16: they round activations to 11 bits, which f32 users did not ask for. */
export function matrixVariants(oc: number, { matrices, weights }: Target): TileVariant[] {
  if (!matrices) return [];
  const tileM = oc <= 32 ? 32 : 64;
  return matrices.configs
    .filter(({ component }) => component === "f32" || (weights === "f16" && matrices.f16))
    .map((config) => shared(config, tileM, matrices.maxLanes))
    .filter((matrix) => matrix !== undefined)
    .sort((a, b) => b.m * b.n * b.k - a.m * a.n * a.k)
    .map((matrix) => ({ kind: "tile", weights, tileM, matrix }));
}

/** Divides a tile among the subgroups that a workgroup has at least; undefined where it does not divide. */
function shared(config: MatrixConfig, tileM: number, maxLanes: number): MatrixTile | undefined {
  const { m, n, k } = config;
  if (LANES % maxLanes !== 0 || tileM % m !== 0 || PIXELS % n !== 0 || depthOf(k) % k !== 0) return undefined;
  const across = PIXELS / n;
  const matrices = (tileM / m) * across;
  const subgroups = Math.min(LANES / maxLanes, matrices);
  const each = matrices / subgroups;
  const columns = Math.min(each, across);
  const rows = each / columns;
  if (![each, rows, across / columns].every(Number.isInteger)) return undefined;
  return { ...config, subgroups, rows, columns };
}

const depthOf = (k: number): number => Math.max(16, k);

/** The shader of a tile, and the constants that only it has. */
export function matrixShader({ component, m, n, k, subgroups, rows, columns }: MatrixTile) {
  return {
    shader: component === "f16" ? "conv_matrix_f16" : "conv_matrix",
    constants: {
      MATRIX_M: m,
      MATRIX_N: n,
      MATRIX_K: k,
      DEPTH: depthOf(k),
      SUBGROUPS: subgroups,
      ROWS: rows,
      COLUMNS: columns,
    },
    pixels: PIXELS,
  };
}
