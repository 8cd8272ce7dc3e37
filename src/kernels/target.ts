import type { ConvVariant } from "./conv/variant";

/** Type of stored weights and activations; arithmetic is f32 always. */
export type Dtype = "f32" | "f16";

/** Everything that the choice of a kernel variant may depend on, besides shapes. */
export interface Target {
  readonly adapterClass: "software" | "gpu";
  /** The device has the feature `subgroups` (and, as every adapter known to us, subgroups of at least 4 lanes). */
  readonly subgroups: boolean;
  /** fast: Winograd F(4,3) where it wins, 2e-5 off; exact: direct or F(2,3), 1e-6 off. */
  readonly precision: "fast" | "exact";
  readonly weights: Dtype;
  /** Storage of the tensors that a network's nodes exchange; f32 where absent. f16 needs a device with `shader-f16`. */
  readonly activations?: Dtype;
  readonly maxBindingBytes: number;
  /** Lanes that a workgroup may have; 256, which every device allows, where absent. */
  readonly maxLanes?: number;
  /** Shaders may compute in f16: the device has the feature `shader-f16`. */
  readonly f16?: boolean;
  /** Products that subgroup matrices (tensor cores) can compute, where the device has the feature
   *  `chromium-experimental-subgroup-matrix`. */
  readonly matrices?: Matrices;
  /** false: what lies between the products of two Winograd convolutions takes several dispatches on a GPU, too
   *  (conv/between.ts), to time one against the other. */
  readonly merges?: boolean;
  /** false: attention of one head takes its projections one by one on a software adapter, too (product/folded-attention.ts). */
  readonly folds?: boolean;
  /** The convolution variants that were fastest when measured here, by `convKey`. They replace the heuristic's. */
  readonly tuned?: Readonly<Record<string, ConvVariant>>;
}

/** Whether dispatches are merged: on GPUs. A software adapter pays little for dispatches, and much for barriers. */
export const merging = ({ adapterClass, merges = true }: Target): boolean => adapterClass === "gpu" && merges;

export interface Matrices {
  readonly configs: readonly MatrixConfig[];
  /** Lanes of the largest subgroup. */
  readonly maxLanes: number;
  /** Shaders may use f16. */
  readonly f16: boolean;
  /** Workgroup memory. */
  readonly workgroupBytes: number;
}

/** Shape and operands of a subgroup matrix product with f32 sums: [M, K] times [K, N]. */
export interface MatrixConfig {
  readonly component: "f32" | "f16";
  readonly m: number;
  readonly n: number;
  readonly k: number;
}
