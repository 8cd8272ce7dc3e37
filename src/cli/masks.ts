import type { MaskInput } from "../api";
import { UserError } from "../errors";

interface Size {
  readonly width: number;
  readonly height: number;
}

const aspect = ({ width, height }: Size): number => width / height;
const alike = (a: number, b: number): boolean => Math.abs(a / b - 1) <= 0.02;

/** Carries a mask into the model's square: a square mask is taken as it is, a mask of the original's shape is centre-cropped
 *  as the original is. @throws UserError for a mask of any other aspect. */
export function fitMask(mask: MaskInput, original: Size | undefined, name: string): MaskInput {
  if (alike(aspect(mask), 1)) return mask;
  if (!original || !alike(aspect(mask), aspect(original))) {
    const needed = original
      ? `a square, or the aspect of the original (${original.width}x${original.height})`
      : "a square";
    throw new UserError(`${name}: the mask is ${mask.width}x${mask.height}, needed ${needed}`);
  }
  const side = Math.min(mask.width, mask.height);
  const left = Math.floor((mask.width - side) / 2);
  const top = Math.floor((mask.height - side) / 2);
  const values = new Float32Array(side * side);
  for (let y = 0; y < side; y++)
    for (let x = 0; x < side; x++) values[y * side + x] = mask.values[(y + top) * mask.width + x + left]!;
  return { values, width: side, height: side };
}
