// The formulas of the kernels in f64, a file for each family of shaders: slow and obvious. Tests, the tuner and the
// benchmarks hold kernels against them.
export * from "./conv";
export * from "./mix";
export * from "./noise";
export * from "./norm";
export { sample, samplePoints } from "./numbers";
export * from "./pointwise";
export * from "./product";
export * from "./resample";
export * from "./step";
