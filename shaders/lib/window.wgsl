// Where a pixel of the output reads: KERNEL x KERNEL pixels of lib/picture, STRIDE apart.
// import picture, output_size
const KERNEL: u32 = 3u;        // 3 or 1
const STRIDE: u32 = 1u;
const TAPS: u32 = KERNEL * KERNEL;
