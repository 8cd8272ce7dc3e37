// The batch.
override N: u32;               // uniform: samples
