// The two bottlenecks that are mixed, and the mask that says where.
// h: f32 [N, COUNT]; content: f32 [CONTENT_N, COUNT], sample n reads n % CONTENT_N; mask, if MASKED: f32 [MASK_N, PLANE],
// likewise. COUNT = C H W, and WIDE divides PLANE.
// import plane, blocks
override CONTENT_N: u32;       // uniform
override MASK_N: u32 = 1u;     // uniform
override MASKED: bool;

@group(0) @binding(0) var<storage, read> h: array<Block>;
@group(0) @binding(1) var<storage, read> content: array<Block>;
@group(0) @binding(2) var<storage, read> mask: array<Block>;

// Block of the content, and of the mask, for block i of sample n.
fn content_at(n: u32, i: u32) -> u32 { return n % CONTENT_N * (COUNT / WIDE) + i; }
fn mask_at(n: u32, i: u32) -> u32 { return n % MASK_N * (PLANE / WIDE) + i % (PLANE / WIDE); }
