import { ShapeError } from "../../errors";
import { ceilDiv, type Dispatch, grid1d, type Tensor, update } from "../dispatch";
import type { Target } from "../target";

/** x[z, :, i] = softmax(x[z, :, i] / sqrt(d)) in place.   x: f32 [batches, height, width]
 *  shaders/product/softmax_tile.wgsl on a GPU, else shaders/product/softmax_columns.wgsl   @throws ShapeError for another rank */
export function softmax(label: string, x: Tensor, d: number, { adapterClass }: Pick<Target, "adapterClass">): Dispatch {
  const [batches, height, width] = x.shape;
  if (x.shape.length !== 3) throw new ShapeError(`${x.name}: shape [${x.shape}], expected [batches, height, width]`);
  const together = width! % 4 === 0 ? 4 : 1;
  const shape = { BATCHES: batches!, H: height!, W: width!, D: d };
  return {
    label,
    ...(adapterClass === "gpu"
      ? {
          shader: "product/softmax_tile",
          constants: { ...shape, HELD: Math.min(32, 2 ** Math.ceil(Math.log2(Math.max(1, height! / 32)))) },
          workgroups: grid1d(batches! * ceilDiv(width!, 8)),
        }
      : {
          shader: "product/softmax_columns",
          constants: { ...shape, ROWS: height! % 2 === 0 ? 2 : 1, COLUMNS: together },
          workgroups: grid1d(ceilDiv((batches! * width!) / together, 4)),
        }),
    bindings: [update(x)],
  };
}
