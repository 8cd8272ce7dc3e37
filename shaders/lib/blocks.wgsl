// Samples read in blocks: on the software adapter 16 floats loaded whole cost a third of 16 loads.
override COUNT: u32;           // uniform: floats of a sample
const WIDE: u32 = 16u;         // floats of a block: 16, 4 or 1, dividing COUNT
alias Block = array<f32, WIDE>;
