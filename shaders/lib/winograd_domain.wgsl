// Winograd's transform domain of F(M x M, 3 x 3) (Lavin & Gray 2016), with STRIDE 2 by parts of equal parity (Huang et al. 2020).
const M: u32 = 4u;             // output pixels along a tile's side: 4 or 2; 2 where STRIDE is 2
const STRIDE: u32 = 1u;
const SIDE: u32 = (M - 1u) * STRIDE + 3u;
const NARROW: bool = false;    // weights are f16: their transform keeps them as large and as exact as it can
