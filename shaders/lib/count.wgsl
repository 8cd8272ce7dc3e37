// Samples as rows of floats.
override COUNT: u32;           // uniform: floats of a sample
