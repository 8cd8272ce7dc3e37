// Samples, or planes, read in blocks: on the software adapter 16 floats loaded whole cost a third of 16 loads.
const WIDE: u32 = 16u;         // floats of a block: 16, 4 or 1, dividing what is read
alias Block = array<f32, WIDE>;
