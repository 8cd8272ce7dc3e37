import { type Dispatch, expectShape, read, type Tensor, write } from "../dispatch";
import { perSample, wide } from "./per-sample";

/** y = x + table[labels]: the class embedding of class-conditional ADM.   shaders/pointwise/add.wgsl
 *  x, y: f32 [N, C]; table: f32 [rows, C]; labels: u32 [N], each below `rows`: the caller checks them. */
export function addRow({ x, table, labels, y }: { x: Tensor; table: Tensor; labels: Tensor; y: Tensor }): Dispatch[] {
  const [n, channels] = x.shape as [number, number];
  expectShape(x, n, channels);
  expectShape(table, table.shape[0]!, channels);
  expectShape(labels, n);
  expectShape(y, n, channels);
  return [
    {
      label: y.name,
      shader: "pointwise/add",
      constants: { COUNT: channels, WIDE: wide(channels), LABELLED: 1 },
      bindings: [read(x), read(table), read(labels), write(y)],
      workgroups: perSample(channels, n, wide(channels)),
    },
  ];
}
