import { ShapeError } from "../../errors";
import { ceilDiv, type Dispatch, dims4, expectShape, f32, grid1d, read, type Tensor, write } from "../dispatch";

export interface LinearAttentionIo {
  /** f32 [N, 3 heads d, H, W]: q, k and v, each head after head */
  readonly qkv: Tensor;
  /** f32 [2, heads, d, M]: learned keys and values at M positions beside those of the picture */
  readonly memory?: Tensor | undefined;
  /** f32 [N, heads d, H, W], written */
  readonly y: Tensor;
}

export interface LinearAttentionOptions {
  readonly heads: number;
  /** The values are divided by the number of pixels first. */
  readonly divided?: boolean;
}

/** Most parts that the positions are shared out among. */
const MOST_PARTS = 64;

/** Attention in time linear in the pixels: softmax over a head's channels for q and over positions for k, then
 *  y = q (k^T v) / sqrt(d).   Shen et al. 2021; shaders/attention/{keys,context,merge,queries}.wgsl
 *  @throws ShapeError if the heads do not divide the channels, or the memory is of another size. */
export function linearAttention(
  { qkv, memory, y }: LinearAttentionIo,
  { heads, divided = false }: LinearAttentionOptions,
): Dispatch[] {
  const [n, c, h, w] = dims4(y);
  expectShape(qkv, n, 3 * c, h, w);
  if (c % heads !== 0) throw new ShapeError(`${y.name}: ${c} channels do not divide into ${heads} heads`);
  const d = c / heads;
  const t = h * w;
  const learned = memory?.shape[3] ?? 0;
  if (memory) expectShape(memory, 2, heads, d, learned);
  const wide = t % 4 === 0 ? 4 : 1;
  const blocks = t / wide;
  const chunks = Math.min(blocks, 16);
  const slices = Math.max(1, Math.min(MOST_PARTS, Math.floor(blocks / 16)));
  const [tileE, tileF] = [d % 4 === 0 ? 4 : 1, [8, 4].find((tile) => d % tile === 0) ?? 1];
  const peaks = f32(`${y.name}/peaks`, n, c, chunks, 2);
  const parts = f32(`${y.name}/parts`, n * heads, slices, d, d);
  const context = f32(`${y.name}/context`, n * heads, d, d);
  const sizes = { N: n, HEADS: heads, D: d, T: t, WIDE: wide };
  const keys = { ...sizes, CHUNKS: chunks };
  const lanes = (count: number) => grid1d(ceilDiv(count, 64));
  return [
    {
      label: `${y.name}/keys`,
      shader: "attention/keys",
      constants: { ...keys, MEMORY: learned },
      bindings: [write(peaks), read(qkv), read(memory ?? qkv)],
      workgroups: lanes(n * c * chunks),
    },
    {
      label: `${y.name}/parts`,
      shader: "attention/context",
      constants: { ...keys, MEMORY: learned, SLICES: slices, TILE_E: tileE, TILE_F: tileF },
      bindings: [write(parts), read(qkv), read(memory ?? qkv), read(peaks)],
      workgroups: lanes((n * heads * slices * d * d) / (tileE * tileF)),
    },
    {
      label: `${y.name}/merge`,
      shader: "attention/merge",
      constants: { ...keys, SLICES: slices, SCALE: d ** -0.5 / (divided ? t : 1) },
      bindings: [write(context), read(parts), read(peaks)],
      workgroups: lanes(n * heads * d * d),
    },
    {
      label: `${y.name}/queries`,
      shader: "attention/queries",
      constants: { ...sizes, TILE: tileF },
      bindings: [write(y), read(qkv), read(context)],
      workgroups: lanes((n * c * blocks) / tileF),
    },
  ];
}
