// The planes of a tensor: one for each channel of each sample.
override PLANE: u32;           // uniform: pixels of a plane
