import { expect, test } from "vitest";
import { evaluate, specialise } from "../src/wgsl/specialise";

const squash = (code: string) => code.replace(/\s+/g, " ").trim();

test("overrides become pipeline constants, marked constants are set in the text", () => {
  const source = "override A: f32;\nconst TILE: u32 = 4u;\nconst SCALE: f32 = 1.0;\nconst ON: bool = false;";
  expect(specialise("s", source, { A: 7, TILE: 8, SCALE: 2, ON: 1 })).toEqual({
    code: "override A: f32;\nconst TILE: u32 = 8u;\nconst SCALE: f32 = 2.0;\nconst ON: bool = true;",
    overrides: { A: 7 },
  });
});

test("a constant the shader lacks is named", () => {
  expect(() => specialise("s", "override A: f32;", { B: 1 })).toThrow("shaders/s.wgsl declares no constant B");
});

test("a marked loop becomes one block per value; others stay", () => {
  const source = `const TILE: u32 = 1u;
for (var i = 1u; i < TILE * 2u; i++) { // unroll: registers
  x[i] = 0.0;
}
for (var i = 0u; i < TILE; i++) { x[i] = 1.0; }`;
  expect(squash(specialise("s", source, { TILE: 2 }).code)).toBe(
    squash(`const TILE: u32 = 2u;
    { const i = 1u; x[i] = 0.0; } { const i = 2u; x[i] = 0.0; } { const i = 3u; x[i] = 0.0; }
    for (var i = 0u; i < TILE; i++) { x[i] = 1.0; }`),
  );
});

test("nested loops may be bounded by outer variables and derived constants; braces in comments do not count", () => {
  const source = `const A: u32 = 2u;
const B: u32 = A / 2u + 1u;
for (var i = 0u; i < B; i++) { // unroll
  // a stray } here
  for (var j = i; j < 2u; j++) { // unroll
    f(i, j);
  }
}`;
  expect(squash(specialise("s", source, {}).code).replace(/.*1u; \{/, "{")).toBe(
    squash(`{ const i = 0u; // a stray } here
      { const j = 0u; f(i, j); } { const j = 1u; f(i, j); } }
      { const i = 1u; // a stray } here
      { const j = 1u; f(i, j); } }`),
  );
});

test("a marked loop with bounds known only to the GPU is refused", () => {
  const source = "override N: f32;\nfor (var i = 0u; i < N; i++) { // unroll\n}";
  expect(() => specialise("s", source, { N: 3 })).toThrow(/bounds that are not integer constants/);
});

test.each([
  ["(TILE_M + 2u) / 4u * 3u", 12],
  ["7u % 4u - 1u", 2],
  ["min(4u * 3u + 4u, TILE_M)", 14],
  ["TILE_M % OTHER", Number.NaN],
  ["1.5", Number.NaN],
])("evaluate %s", (expression, value) => {
  expect(evaluate(expression, new Map([["TILE_M", 14]]))).toBe(value);
});
