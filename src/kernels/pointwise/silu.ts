import type { Dispatch, Tensor } from "../dispatch";
import { activation } from "./activation";

/** y = x / (1 + exp(-x)).   x, y: f32 of any shape. */
export const silu = (io: { x: Tensor; y: Tensor }): Dispatch[] => activation(io, "silu");
