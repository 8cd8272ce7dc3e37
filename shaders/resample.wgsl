// y[SLOT, :, i, j] = weighted mean of source pixels around M (j + 1/2, i + 1/2, 1), as PIL's antialiased bilinear resize:
// a triangle filter along the axes that M maps x and y to, of radius max(1, scale) source pixels, cut at the window and
// renormalised; where nothing of it lies in the window, the nearest pixel of the window.
// image: u32 [height, width], RGBA bytes; placement: f32 [20] = M as mat3x3f, window (left, top, right, bottom), width,
// height; y: f32 [N, 3, HEIGHT, WIDTH], value / 127.5 - 1, or, LUMINANCE (ITU-R 601), f32 [N, HEIGHT, WIDTH], value / 255.
// Dispatch (ceil(WIDTH / 8), ceil(HEIGHT / 8), 1)
override HEIGHT: u32;
override WIDTH: u32;
override SLOT: u32;
override LUMINANCE: bool;
struct Placement { matrix: mat3x3f, window: vec4f, size: vec2f }
@group(0) @binding(0) var<storage, read> image: array<u32>;
@group(0) @binding(1) var<storage, read> placement: Placement;
@group(0) @binding(2) var<storage, read_write> y: array<f32>;

fn pixel(p: vec2i) -> vec3f { return unpack4x8unorm(image[u32(p.y) * u32(placement.size.x) + u32(p.x)]).rgb; }

@compute @workgroup_size(8, 8)
fn main(@builtin(global_invocation_id) id: vec3u) {
  if (id.x >= WIDTH || id.y >= HEIGHT) { return; }
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
  let low = vec2i(max(floor(centre - reach), placement.window.xy));
  let high = vec2i(min(ceil(centre + reach), placement.window.zw));   // exclusive
  var sum = vec4f();
  for (var py = low.y; py < high.y; py++) {
    for (var px = low.x; px < high.x; px++) {
      let q = abs(inverse * (vec2f(f32(px), f32(py)) + 0.5 - centre)) / radius;
      let weight = max(0.0, 1.0 - q.x) * max(0.0, 1.0 - q.y);
      if (weight > 0.0) { sum += weight * vec4f(pixel(vec2i(px, py)), 1.0); }
    }
  }
  var colour: vec3f;
  if (sum.w > 0.0) {
    colour = sum.rgb / sum.w;
  } else {
    colour = pixel(vec2i(clamp(floor(centre), placement.window.xy, placement.window.zw - 1.0)));
  }
  let plane = HEIGHT * WIDTH;
  let at = id.y * WIDTH + id.x;
  if (LUMINANCE) {
    y[SLOT * plane + at] = dot(colour, vec3f(0.299, 0.587, 0.114));
    return;
  }
  y[SLOT * 3u * plane + at] = colour.r * 2.0 - 1.0;
  y[(SLOT * 3u + 1u) * plane + at] = colour.g * 2.0 - 1.0;
  y[(SLOT * 3u + 2u) * plane + at] = colour.b * 2.0 - 1.0;
}
