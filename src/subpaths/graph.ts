/** `injectfusion/graph`: networks as plain data. Build a graph, splice nodes into it, choose kernels (`lower`), place
 *  tensors in shared buffers (`planOf`), compile it for a device (`compile`) and replay it into a compute pass.
 *  @module graph */

export { type CompiledGraphs, compile, planOf } from "../graph/compiled";
export {
  f32Input,
  type Graph,
  GraphBuilder,
  type GraphInput,
  instance,
  type Node,
  type Operation,
  spliceAfter,
  taps,
  u32Input,
} from "../graph/graph";
export {
  dispatchesOf,
  type Lowered,
  type LoweredNode,
  type LoweredOp,
  type LoweringContext,
  lower,
  type NodeIo,
  type Ops,
} from "../graph/lower";
export type { BufferPlan } from "../graph/plan";
export { type Recording, record, replay } from "../graph/record";
export { targetOf } from "../model/network";
export { type NetworkOp, networkOps } from "../model/ops";
export { type UNet, unet } from "../model/unet";
