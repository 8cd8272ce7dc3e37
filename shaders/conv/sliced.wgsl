// y[n, o, p] = bias[o] + temb[n, o] + sum_c w[o, c] * in[n, c, p] + residual[n, o, p]
// in = act((x - mean) * scale + shift) of [x, skip] joined on channels.
// x: f32 [N, C1, P]; skip: f32 [SKIP_N, C2, P]; norm: f32 [NORM_N, C1 + C2, 4]; y, residual: f32 [N, OC, P].
// w: f32, or f16 pairs, [C1 + C2, OC rounded up to fours].  Fewer samples than y are read modulo theirs.
// P, C1 and C2 are multiples of 4, and of STEP.
//
// For GPUs that a convolution is too small to fill: as gemm_sliced, straight from memory into registers. LANES_M x LANES_N
// lanes compute TILE_M channels x TILE_N pixels, and SLICES groups of such lanes share out the depth.
// Dispatch: x = ceil(OC / TILE_M) * ceil(N P / TILE_N), folded into two dimensions.
override N: u32;               // uniform
override C1: u32;              // uniform
override C2: u32 = 0u;         // uniform
override OC: u32;              // uniform
override P: u32;               // uniform
override NORM: bool = false;
override SILU: bool = false;
override TEMB: u32 = 0u;       // uniform: 1: there is one
override RESIDUAL: u32 = 0u;   // uniform
override SKIP_N: u32 = 1u;     // uniform
override NORM_N: u32 = 1u;     // uniform
override TEMB_N: u32 = 1u;     // uniform
override TEMB_WIDTH: u32 = 0u; // uniform
override TEMB_OFFSET: u32 = 0u; // uniform
override RESIDUAL_N: u32 = 1u; // uniform

const PER_WORD: u32 = 1u;     // weights in a u32: 1 (f32) or 2 (f16)
const LANES_M: u32 = 8u;
const LANES_N: u32 = 4u;
const COLUMNS: u32 = 2u;
const SLICES: u32 = 8u;       // a power of two
const STEP: u32 = 4u;
const TILE_M: u32 = 4u * LANES_M;
const TILE_N: u32 = 4u * LANES_N * COLUMNS;
const GROUP: u32 = LANES_M * LANES_N;
const LANES: u32 = GROUP * SLICES;
const BLOCKS: u32 = 4u * COLUMNS;                            // fours that a lane sums
const KEPT: u32 = (SLICES + 1u) / 2u;                        // slices whose sums memory holds at once

@group(0) @binding(0) var<storage, read> x: array<vec4f>;
@group(0) @binding(1) var<storage, read> skip: array<vec4f>;
@group(0) @binding(2) var<storage, read> norm: array<vec4f>;
@group(0) @binding(3) var<storage, read> w: array<array<u32, 4u / PER_WORD>>;
@group(0) @binding(4) var<storage, read> bias: array<f32>;
@group(0) @binding(5) var<storage, read> temb: array<f32>;
@group(0) @binding(6) var<storage, read> residual: array<vec4f>;
@group(0) @binding(7) var<storage, read_write> y: array<vec4f>;

var<workgroup> memory: array<vec4f, KEPT * BLOCKS * GROUP>;  // [slice][four][lane]

fn weight(at: u32) -> vec4f {
  let v = w[at];
  if (PER_WORD == 2u) { return vec4f(unpack2x16float(v[0]), unpack2x16float(v[1])); }
  return bitcast<vec4f>(vec4u(v[0], v[1], v[2 % (4u / PER_WORD)], v[3 % (4u / PER_WORD)]));
}

@compute @workgroup_size(LANES)
fn main(@builtin(workgroup_id) wg: vec3u, @builtin(num_workgroups) grid: vec3u, @builtin(local_invocation_index) local: u32) {
  let tiles_m = (OC + TILE_M - 1u) / TILE_M;
  let plane = P / 4u;
  let tile = wg.y * grid.x + wg.x;
  if (tile >= tiles_m * ((N * P + TILE_N - 1u) / TILE_N)) { return; }
  let slice = local / GROUP;
  let lane = local % GROUP;
  let m4 = tile % tiles_m * LANES_M + lane / LANES_N;        // in fours
  let n4 = tile / tiles_m * (TILE_N / 4u) + lane % LANES_N;
  let width = (OC + 3u) / 4u;
  let channels = C1 + C2;
  let share = (channels / STEP + SLICES - 1u) / SLICES * STEP;
  let first = min(slice * share, channels);
  let last = min(first + share, channels);

  // Past the edges a lane reads what its neighbour does, and stores nothing.
  var w_at = first * width + min(m4, width - 1u);
  var x_at: array<u32, COLUMNS>;
  var skip_at: array<u32, COLUMNS>;
  var norm_at: array<u32, COLUMNS>;
  for (var j = 0u; j < COLUMNS; j++) { // unroll
    let p = min(n4 + j * LANES_N, N * plane - 1u);
    let n = p / plane;
    x_at[j] = n * C1 * plane + p % plane;
    skip_at[j] = n % SKIP_N * C2 * plane + p % plane;
    norm_at[j] = n % NORM_N * channels;
  }

  var sums: array<array<vec4f, COLUMNS>, 4>;
  for (var k = first; k < last; k += STEP) {
    var rows: array<vec4f, STEP>;
    var columns: array<array<vec4f, COLUMNS>, STEP>;
    for (var u = 0u; u < STEP; u++) { // unroll
      rows[u] = weight(w_at + u * width);
    }
    w_at += STEP * width;
    for (var j = 0u; j < COLUMNS; j++) { // unroll
      if (k < C1) {
        for (var u = 0u; u < STEP; u++) { // unroll
          columns[u][j] = x[x_at[j] + (k + u) * plane];
        }
      } else {
        for (var u = 0u; u < STEP; u++) { // unroll
          columns[u][j] = skip[skip_at[j] + (k - C1 + u) * plane];
        }
      }
    }
    for (var u = 0u; u < STEP; u++) { // unroll
      for (var j = 0u; j < COLUMNS; j++) { // unroll
        if (NORM) {
          let row = norm[norm_at[j] + k + u];
          columns[u][j] = (columns[u][j] - row.x) * row.y + row.z;
        }
        if (SILU) { columns[u][j] = columns[u][j] / (1.0 + exp(-columns[u][j])); }
      }
      for (var q = 0u; q < 4u; q++) { // unroll
        for (var j = 0u; j < COLUMNS; j++) { // unroll
          sums[q][j] += rows[u][q] * columns[u][j];
        }
      }
    }
  }

  // The upper half of the slices hands its sums to the lower half, whose own then meet.
  if (SLICES > 1u) {
    if (slice >= KEPT) {
      for (var e = 0u; e < BLOCKS; e++) { // unroll
        memory[((slice - KEPT) * BLOCKS + e) * GROUP + lane] = sums[e / COLUMNS][e % COLUMNS];
      }
    }
    workgroupBarrier();
    if (slice < KEPT) {
      for (var e = 0u; e < BLOCKS; e++) { // unroll
        let at = (slice * BLOCKS + e) * GROUP + lane;
        memory[at] = sums[e / COLUMNS][e % COLUMNS] + memory[at];
      }
    }
    workgroupBarrier();
  }
  for (var e = 0u; e < BLOCKS; e++) { // unroll
    if (e % SLICES == slice) {
      var v = sums[e / COLUMNS][e % COLUMNS];
      if (SLICES > 1u) {
        v = memory[e * GROUP + lane];
        for (var s = 1u; s < KEPT; s++) { // unroll
          v += memory[(s * BLOCKS + e) * GROUP + lane];
        }
      }
      let o = 4u * m4 + e / COLUMNS;
      let p = n4 + e % COLUMNS * LANES_N;
      let n = p / plane;
      if (o < OC && n < N) {
        v += bias[o];
        if (TEMB == 1u) { v += temb[n % TEMB_N * TEMB_WIDTH + TEMB_OFFSET + o]; }
        if (RESIDUAL == 1u) { v += residual[(n % RESIDUAL_N * OC + o) * plane + p % plane]; }
        y[(n * OC + o) * plane + p % plane] = v;
      }
    }
  }
}
