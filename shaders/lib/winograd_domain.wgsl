// Winograd's transform domain of F(M x M, 3 x 3) (Lavin & Gray 2016), with STRIDE 2 by parts of equal parity (Huang et al.
// 2020).
const M: u32 = 4u;             // output pixels along a tile's side: 4 or 2; 2 where STRIDE is 2
const STRIDE: u32 = 1u;
const DOUBLED: bool = false;   // pixels come in pairs, for the input is enlarged x2: position 2 of a line is 0, and left out
const PIXELS: u32 = (M - 1u) * STRIDE + 3u;                  // of the input along a tile's side
const SIDE: u32 = PIXELS - u32(DOUBLED);                     // positions, and where they are on the line
const POSITION = array(0u, 1u, 2u + u32(DOUBLED), 3u + u32(DOUBLED), 4u + u32(DOUBLED), 5u + u32(DOUBLED));
const NARROW: bool = false;    // weights are f16: their transform keeps them as large and as exact as it can
