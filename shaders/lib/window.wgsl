// Where a pixel of the output reads: KERNEL x KERNEL pixels of lib/picture, STRIDE apart.
// import picture
override OH: u32;              // uniform
override OW: u32;              // uniform
const KERNEL: u32 = 3u;        // 3 or 1
const STRIDE: u32 = 1u;
