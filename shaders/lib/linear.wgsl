// y = act(x W^T + b).   x: f32 [N, COLUMNS]; weight: f32, or f16 pairs, [ROWS, COLUMNS]; bias: f32 [ROWS]; y: f32 [N, ROWS].
// import samples, half, act
alias Input = vec4f;           // element of x
alias Words = Four;            // of the weights
override ROWS: u32;            // uniform
override COLUMNS: u32;         // uniform
const TILE_N: u32 = 2u;        // samples that share a read of the weights

@group(0) @binding(0) var<storage, read> x: array<Input>;
@group(0) @binding(1) var<storage, read> weight: array<Words>;
@group(0) @binding(2) var<storage, read> bias: array<f32>;
@group(0) @binding(3) var<storage, read_write> y: array<f32>;

fn store(z: f32, n: u32, row: u32) { y[n * ROWS + row] = acted(z); }
