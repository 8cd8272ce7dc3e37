import { describe, expect, test } from "vitest";
import { allShaders } from "../src/wgsl/tuner-shaders";
import { suspects } from "./support/wgsl-integers";

/** Differences of u32 and loops up to a sum that were looked at: why none leaves a tensor. All others are of a form that
 *  cannot wrap: max(a, b) - b, a - min(a, b), a size - 1, loops up to a size or a product of sizes. */
const allowed: readonly { readonly reason: string; readonly texts: readonly string[] }[] = [
  {
    reason:
      "before the first row or column it wraps to more than any size: compared with the size, and clamped to be read",
    texts: [
      "difference: oy * STRIDE + r - PAD",
      "difference: ox * STRIDE + dx - PAD",
      "difference: y0 + r * step_y - PAD",
      "difference: x0 + q * step_x - PAD",
      "difference: at % plane / OW * STRIDE - PAD",
      "difference: at % plane % OW * STRIDE - PAD",
      "difference: pixel / OW * STRIDE - PAD",
      "difference: pixel % OW * STRIDE - PAD",
      "difference: place / TILES_X * (STEP / UPSAMPLE) - PAD",
      "difference: place % TILES_X * (STEP / UPSAMPLE) - PAD",
      "difference: task.oy + e % PATCH / PATCH_W - PAD",
      "difference: task.ox + e % PATCH_W - PAD",
    ],
  },
  {
    reason: "in the branch, or the arm of a select, for channels of the skip: where it wraps, it is not used",
    texts: [
      "difference: skip_start(n) + c - C1",
      "difference: skip_start(n) * PLANE / WIDE + i - in_x",
      "difference: k - C1",
      "difference: c - C1",
      "difference: at.skip0 / 4u + i - in_x",
      "difference: i - in_x",
      "difference: c - at.in_x",
      "difference: slice - KEPT",
      "difference: id.x - half",
    ],
  },
  {
    reason: "what is subtracted from is never 0: a size in units that divide it, of a kernel that has something to do",
    texts: [
      "difference: width - 1u",
      "difference: blocks - 1u",
      "difference: N * plane - 1u",
      "difference: across - 1u",
      "difference: M / 4u - 1u",
      "difference: N / 4u - 1u",
    ],
  },
  {
    reason: "b, the size of a tile, and LANES are never 0",
    texts: ["difference: a + b - 1u", "difference: DEPTH * TILE_M / 4u + LANES - 1u"],
  },
  { reason: "there are one or two inputs", texts: ["loop: input < INPUTS"] },
  { reason: "DOUBLED counts 0 or 1, and PIXELS are at least 4", texts: ["difference: PIXELS - u32(DOUBLED)"] },
  { reason: "STRIDE is 1 or 2", texts: ["difference: 3u - STRIDE"] },
  { reason: "local < LANES", texts: ["difference: count + LANES - 1u - local"] },
  { reason: "at.in_x = min(.., at.channels)", texts: ["difference: at.channels - at.in_x"] },
  {
    reason: "the sum is the end of a part of a tensor, and so at most 2^30",
    texts: ["loop: c < (group + 1u) * per_group", "loop: i < end"],
  },
  {
    reason: "last is a number of steps, at most that of all",
    texts: ["loop: step <= task.last", "loop: step <= last"],
  },
  { reason: "step is halved, and COLUMNS is at least 1", texts: ["loop: step >= COLUMNS"] },
  { reason: "clamped to the window, which is signed and whole", texts: ["loop: py < high.y", "loop: px < high.x"] },
];

const known = new Set(allowed.flatMap(({ texts }) => texts));

test("no shader's arithmetic wraps, but where this file says why it may", () => {
  const found = new Map<string, string[]>();
  for (const [name, code] of Object.entries(allShaders))
    for (const { kind, text } of suspects(code))
      found.set(`${kind}: ${text}`, [...(found.get(`${kind}: ${text}`) ?? []), name]);
  const unknown = [...found]
    .filter(([text]) => !known.has(text))
    .map(([text, names]) => `${text} (${names.join(", ")})`);
  expect(unknown).toEqual([]);
  expect([...known].filter((text) => !found.has(text))).toEqual([]); // nothing that is no longer there
});

describe("the check sees", () => {
  const texts = (body: string) =>
    suspects(`override N: u32;
override SKIP: u32 = 0u;
const TILE: u32 = 4u;
@group(0) @binding(0) var<storage, read> x: array<vec4f>;
@group(0) @binding(1) var<storage, read> at: array<u32>;
fn row(i: u32) -> u32 { return i * N; }
@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) id: vec3u) {
  let a = id.x;
  let b = id.y * 4u;
  ${body}
}`).map(({ text }) => text);

  test.each([
    ["let v = a - b;", ["a - b"]],
    ["let v = a + b - N;", ["a + b - N"]],
    ["if (a - 1u > 3u) { return; }", ["a - 1u"]],
    ["let v = x[row(a) - b].x;", ["row(a) - b"]],
    ["let v = select(a, at[a] - N, a < N);", ["at[a] - N"]],
    ["var v = 1.0; v += f32(id.x - id.y);", ["id.x - id.y"]],
    ["let v = SKIP * b - 1u;", ["SKIP * b - 1u"]],
    ["for (var i = a; i < a + b; i++) { }", ["i < a + b"]],
    ["let end = a + b; for (var i = a; i < end; i += 4u) { }", ["i < end"]],
    ["for (var i = 0u; i <= N; i++) { }", ["i <= N"]],
    ["loop { break; }", ["loop"]],
    ["for (var i = 0u; i < at[a]; i++) { }", ["i < at[a]"]],
    ["let v = x[at[a]];", ["x[at[a]]"]],
    ["let i = at[a] * N; let v = x[i];", ["x[i]"]],
    ["var i = 0u; let v = x[i]; i += at[a];", ["x[i]"]],
    ["let v = x[u32(x[a].x)];", ["x[u32(x[a].x)]"]],
    ["let v = x[row(at[a])];", ["x[row(at[a])]"]],
  ])("%s", (body, expected) => {
    expect(texts(body)).toEqual(expected);
  });

  test.each([
    "let v = max(a, N) - N;",
    "let v = b * 3u + max(N, a) - N;",
    "let v = a - min(b, a);",
    "let v = min(a, N - 1u);",
    "let v = (a + TILE - 1u) / TILE;",
    "let v = x[a] - x[b];",
    "let v = vec4f(1.0) - x[a] * 2.0 - 1.0;",
    "let v = f32(a) - 1.0;",
    "let v = x[min(at[a], N - 1u)];",
    "let v = x[min(at[a], arrayLength(&x) - 1u)];",
    "if (a >= at[b]) { return; } let v = x[a];",
    "for (var i = 0u; i < N * 4u; i += 16u) { let w = x[a + i]; }",
    "for (var i = a; i < min(a + b, N); i++) { }",
    "let count = (N + 3u) / 4u; for (var i = 0u; i < count; i++) { }",
  ])("nothing in %s", (body) => {
    expect(texts(body)).toEqual([]);
  });
});
