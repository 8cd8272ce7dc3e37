import { afterEach, expect, test } from "vitest";
import { loadModel, openDevice } from "../src/node";
import { seeded } from "../src/random";
import { elementwise } from "../src/wgsl/elementwise";
import { shaders } from "../src/wgsl/shaders";

const originals = { ...shaders };
afterEach(() => {
  Object.assign(shaders, originals);
});

const declarations = `@group(0) @binding(0) var<storage, read> a: array<array<f32, N>>;
@group(0) @binding(1) var<storage, read_write> y: array<array<f32, N>>;`;

test("whole arrays are copied element by element; whatever else stays as it is", () => {
  const code = `${declarations}
  let v = a[i + at[j]]; // a row
  rows[q] = a[i];
  y[2u * i] = out;
  y[i] = a[i];
  y[i][q] = v[q];
  let one = a[i][q];
  if (x) { y[i][q] = out[q]; }
  let same = b[i] == a[i];`;
  expect(elementwise(code)).toBe(`${declarations}
  let from_0 = &a[i + at[j]];
  var v: array<f32, N>;
  for (var e_ = 0u; e_ < N; e_++) { // unroll
    v[e_] = (*from_0)[e_];
  }
  let from_1 = &a[i];
  for (var e_ = 0u; e_ < N; e_++) { // unroll
    rows[q][e_] = (*from_1)[e_];
  }
  let to_2 = &y[2u * i];
  for (var e_ = 0u; e_ < N; e_++) { // unroll
    (*to_2)[e_] = out[e_];
  }
  let from_3 = &a[i];
  let to_3 = &y[i];
  for (var e_ = 0u; e_ < N; e_++) { // unroll
    (*to_3)[e_] = (*from_3)[e_];
  }
  y[i][q] = v[q];
  let one = a[i][q];
  if (x) { y[i][q] = out[q]; }
  let same = b[i] == a[i];`);
});

test("blocks of one statement are laid out, and what is returned is copied first", () => {
  const code = `${declarations}
  for (var q = 0u; q < 2u; q++) { rows[q] = a[q]; } // unroll
  if (c < C) { v = a[c]; } else { v = w; }
  return a[i];`;
  const loop = (target: string, id: number) => [
    "for (var e_ = 0u; e_ < N; e_++) { // unroll",
    `  ${target}[e_] = (*from_${id})[e_];`,
    "}",
  ];
  const lines = elementwise(code).split("\n").slice(2);
  expect(lines.map((line) => line.trim())).toEqual(
    [
      ...["for (var q = 0u; q < 2u; q++) { // unroll", "let from_0 = &a[q];", ...loop("rows[q]", 0), "}"],
      ...["if (c < C) {", "let from_1 = &a[c];", ...loop("v", 1), "} else {", "v = w;", "}"],
      ...["let from_2 = &a[i];", "var value_: array<f32, N>;", ...loop("value_", 2), "return value_;"],
    ].map((line) => line.trim()),
  );
});

test("an alias of an array type counts as the array", () => {
  const code =
    "alias Block = array<f32, N>;\n@group(0) @binding(0) var<storage, read> a: array<Block>;\n  let v = a[i];";
  expect(elementwise(code).split("\n").slice(2)).toEqual([
    "  let from_0 = &a[i];",
    "  var v: array<f32, N>;",
    "  for (var e_ = 0u; e_ < N; e_++) { // unroll",
    "    v[e_] = (*from_0)[e_];",
    "  }",
  ]);
});

test("a network computes the same either way", async () => {
  const forward = async () => {
    using device = await openDevice();
    using model = await loadModel("portraits64", { device });
    return await model.forward(seeded(1, [1, 3, 64, 64]), 500);
  };
  const whole = await forward();
  const rewritten = Object.entries(originals).map(([name, code]) => [name, elementwise(code)]);
  expect(rewritten.filter(([name, code]) => code !== originals[name as keyof typeof originals]).length).toBeGreaterThan(
    20,
  );
  Object.assign(shaders, Object.fromEntries(rewritten));
  const single = await forward();
  for (const key of ["eps", "h"] as const) {
    const worst = whole[key].reduce((most, value, i) => Math.max(most, Math.abs(value - single[key][i]!)), 0);
    expect(worst).toBeLessThan(1e-5);
  }
});
