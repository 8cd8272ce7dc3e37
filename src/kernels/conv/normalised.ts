import { type Dispatch, dims4, type Tensor } from "../dispatch";
import { normalise } from "../norm/group-norm";
import type { ConvTensors } from "./io";

/** A convolution that normalises [x, skip] once, into scratch, and then convolves that, instead of once for every tap and
 *  every tile of output channels.
 *  @param io with a norm of as many samples as x
 *  @param convolve the convolution of the scratch, without norm, skip or SiLU */
export function convNormalised(io: ConvTensors, silu: boolean, convolve: (io: ConvTensors) => Dispatch[]): Dispatch[] {
  const { x, skip, norm, ...rest } = io;
  const [n, , h, w] = dims4(x);
  const y: Tensor = { name: `${io.y.name}/normalised`, shape: [n, norm!.shape[1]!, h, w], dtype: x.dtype };
  return [...normalise({ x, ...(skip && { skip }), norm: norm!, y }, { silu }), ...convolve({ ...rest, x: y })];
}
