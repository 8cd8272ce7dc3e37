// 3x3 and 1x1 convolution for GPUs, an implicit matrix product in f32: lib/conv says of what, lib/implicit_tile how.
// import implicit_tile, tile_full
