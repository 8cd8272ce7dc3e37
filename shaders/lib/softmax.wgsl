// x[z, :, i] = softmax(x[z, :, i] / sqrt(D)) in place, with the column's maximum subtracted.   x: f32 [BATCHES, H, W]
// import matrices
override D: u32;               // uniform
