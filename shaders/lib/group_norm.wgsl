// What group norm writes: norm: vec4f [N, C], the rows that lib/group_affine describes.
// import samples, group_affine
@group(0) @binding(0) var<storage, read_write> norm: array<vec4f>;
@group(0) @binding(1) var<storage, read> gamma: array<f32>;
@group(0) @binding(2) var<storage, read> beta: array<f32>;
@group(0) @binding(3) var<storage, read> film: array<f32>;

fn tasks() -> u32 { return N * GROUPS; }

fn film_at(i: u32) -> f32 { return film[i]; }

// Writes the row of channel c of sample n.
fn write_norm(n: u32, c: u32, channels: u32, group: vec3f) { norm[n * channels + c] = norm_row(n, c, channels, group); }
