// y = bytes (R, G, B, 255), each floor((v + 1) / 2 * 255 + 1/2) clamped to 0..255; NaN becomes 0.
// x: f32 [N, CHANNELS, COUNT], planes 0, GREEN and BLUE of each sample (of a grey picture all are 0); y: u32 [N, COUNT], R
// in the lowest byte. COUNT: pixels.
// import pointwise, input
override CHANNELS: u32;        // uniform
override GREEN: u32;           // uniform
override BLUE: u32;            // uniform
@group(0) @binding(1) var<storage, read_write> y: array<array<u32, WIDE>>;

fn byte(v: f32) -> u32 {
  let nan = (bitcast<u32>(v) & 0x7fffffffu) > 0x7f800000u;
  return u32(select(clamp((v + 1.0) * 0.5 * 255.0 + 0.5, 0.0, 255.0), 0.0, nan));
}

fn each(n: u32, i: u32, id: u32) {
  let plane = COUNT / WIDE;
  let r = x[n * CHANNELS * plane + i];
  let g = x[(n * CHANNELS + GREEN) * plane + i];
  let b = x[(n * CHANNELS + BLUE) * plane + i];
  var rgba: array<u32, WIDE>;
  for (var k = 0u; k < WIDE; k++) { // unroll
    rgba[k] = byte(r[k]) | (byte(g[k]) << 8u) | (byte(b[k]) << 16u) | 0xff000000u;
  }
  y[id] = rgba;
}
