import type { Target } from "../../src/kernels/target";

/** The software adapter, with weights in f32. */
export const software: Target = {
  adapterClass: "software",
  subgroups: true,
  precision: "fast",
  weights: "f32",
  maxBindingBytes: 2 ** 27,
};
