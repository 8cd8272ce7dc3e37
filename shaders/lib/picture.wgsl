// A picture that is read with zeros around it.
override H: u32;               // uniform: of x and skip
override W: u32;               // uniform
override PAD: u32 = 1u;        // uniform: left and top; right and bottom follow from the size of the output
const UPSAMPLE: u32 = 1u;      // 2: x and skip are enlarged first

// Rows iy and columns ix wrap above and left of the picture, and are not inside there.
fn row_inside(iy: u32) -> bool { return iy < H * UPSAMPLE; }
fn column_inside(ix: u32) -> bool { return ix < W * UPSAMPLE; }

// Offset of a row, and column; past the edges those of the last.
fn row_at(iy: u32) -> u32 { return min(iy / UPSAMPLE, H - 1u) * W; }
fn column_at(ix: u32) -> u32 { return min(ix / UPSAMPLE, W - 1u); }
