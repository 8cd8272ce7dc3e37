// x[z, :, i] = softmax(x[z, :, i] / sqrt(D)) in place, with the column's maximum subtracted.   x: f32 [BATCHES, H, W]
override BATCHES: u32;         // uniform
override H: u32;               // uniform
override W: u32;               // uniform
override D: u32;               // uniform
