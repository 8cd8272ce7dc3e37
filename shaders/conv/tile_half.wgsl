// 3x3 and 1x1 convolution for GPUs with f16 arithmetic: lib/conv says of what, lib/implicit_tile how. Operands, products and sums
// of a step are Element, f16; the sums of the steps are f32.
// import implicit_tile, tile_half
const SLICES: u32 = 1u;        // memory, of Element, could not hold the sums of several
