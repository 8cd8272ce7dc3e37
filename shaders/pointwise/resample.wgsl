// y[SLOT, :, i, j] = weighted mean of source pixels around M (j + 1/2, i + 1/2, 1), as PIL's antialiased bilinear resize:
// a triangle filter along the axes that M maps x and y to, of radius max(1, scale) source pixels, cut at the window and
// renormalised; where nothing of it lies in the window, the nearest pixel of the window. Colours are rounded to 8 bits as
// PIL does: the result, and, where M keeps rows, the mean along each row.
// image: u32 [height, width], RGBA bytes; placement: f32 [20] = M as mat3x3f, window (left, top, right, bottom), width,
// height; y: f32 [N, 3, H, W], value / 127.5 - 1, or, LUMINANCE (ITU-R 601), f32 [N, H, W], value / 255,
// or, SIGNED, rounded and scaled as the colours are.
// Dispatch (ceil(W / 8), ceil(H / 8), 1)
override H: u32;               // uniform
override W: u32;               // uniform
override SLOT: u32;            // uniform: sample of y that is written
override LUMINANCE: bool;
override SIGNED: bool;

struct Placement { matrix: mat3x3f, window: vec4f, size: vec2f }

@group(0) @binding(0) var<storage, read> image: array<u32>;
@group(0) @binding(1) var<storage, read> placement: Placement;
@group(0) @binding(2) var<storage, read_write> y: array<f32>;

fn pixel(p: vec2i) -> vec3f {
  let at = u32(p.y) * u32(placement.size.x) + u32(p.x);
  let rgba = image[min(at, arrayLength(&image) - 1u)];   // whatever the placement says
  return vec3f((vec3u(rgba) >> vec3u(0u, 8u, 16u)) & vec3u(255u));
}

fn nearest_byte(v: vec3f) -> vec3f { return floor(v + 0.5001); }   // halves up, in spite of f32 rounding

@compute @workgroup_size(8, 8)
fn main(@builtin(global_invocation_id) id: vec3u) {
  if (id.x >= W || id.y >= H) { return; }
  let centre = (placement.matrix * vec3f(vec2f(id.xy) + 0.5, 1.0)).xy;
  let dx = placement.matrix[0].xy;   // source steps of one output pixel
  let dy = placement.matrix[1].xy;
  let scale = vec2f(length(dx), length(dy));
  let radius = max(scale, vec2f(1.0));
  let u = dx / scale;
  let v = dy / scale;
  // p - centre = a u + b v: (a, b) = inverse (p - centre)
  let det = u.x * v.y - v.x * u.y;
  let inverse = mat2x2f(v.y, -u.y, -v.x, u.x) * (1.0 / det);
  let reach = abs(u) * radius.x + abs(v) * radius.y;
  // Clamped as integers, so that no placement makes the loops long.
  let first = vec2i(placement.window.xy);
  let end = vec2i(placement.window.zw);
  let low = clamp(vec2i(floor(centre - reach)), first, end);
  let high = clamp(vec2i(ceil(centre + reach)), first, end);   // exclusive
  let keeps_rows = u.y == 0.0 && v.x == 0.0;
  var sum = vec4f();   // weighted colours, weights
  for (var py = low.y; py < high.y; py++) {
    var row = vec4f();
    for (var px = low.x; px < high.x; px++) {
      let q = abs(inverse * (vec2f(f32(px), f32(py)) + 0.5 - centre)) / radius;
      let weight = max(0.0, 1.0 - q.x) * max(0.0, 1.0 - q.y);
      if (weight > 0.0) { row += weight * vec4f(pixel(vec2i(px, py)), 1.0); }
    }
    if (keeps_rows && !LUMINANCE && row.w > 0.0) { row = vec4f(nearest_byte(row.rgb / row.w) * row.w, row.w); }
    sum += row;
  }
  var colour: vec3f;
  if (sum.w > 0.0) {
    colour = sum.rgb / sum.w;
  } else {
    colour = pixel(vec2i(clamp(floor(centre), placement.window.xy, placement.window.zw - 1.0)));
  }
  let plane = H * W;
  let at = id.y * W + id.x;
  if (LUMINANCE) {
    let grey = dot(colour, vec3f(0.299, 0.587, 0.114));
    y[SLOT * plane + at] = select(grey / 255.0, floor(grey + 0.5001) / 127.5 - 1.0, SIGNED);
    return;
  }
  let scaled = nearest_byte(colour) / 127.5 - 1.0;
  y[SLOT * 3u * plane + at] = scaled.r;
  y[(SLOT * 3u + 1u) * plane + at] = scaled.g;
  y[(SLOT * 3u + 2u) * plane + at] = scaled.b;
}
