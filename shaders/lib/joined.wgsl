// Two inputs, joined on channels: those of skip follow those of x where JOINED.
// x: f32 [N, C1, PLANE]; skip: f32 [SKIP_N, C2, PLANE], sample n reads n % SKIP_N.
// import plane
override C1: u32;              // uniform
override C2: u32 = 0u;         // uniform: 0 unless JOINED
override SKIP_N: u32 = 1u;     // uniform
const JOINED: bool = false;

// Channels of skip before sample n.
fn skip_start(n: u32) -> u32 { return n % SKIP_N * C2; }
