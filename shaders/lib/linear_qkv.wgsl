// What linear attention reads.   qkv: f32 [N, 3, HEADS, D, T]
// import linear_attention, blocks
@group(0) @binding(1) var<storage, read> qkv: array<Block>;

// Blocks of a row.
fn blocks() -> u32 { return T / WIDE; }

// First block of a row of q, k or v (part 0, 1 or 2) of sample n.
fn row_start(n: u32, part: u32, row: u32) -> u32 { return ((n * 3u + part) * HEADS * D + row) * blocks(); }
