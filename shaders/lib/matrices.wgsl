// A batch of matrices: f32 [BATCHES, H, W].
override BATCHES: u32;         // uniform
override H: u32;               // uniform
override W: u32;               // uniform
