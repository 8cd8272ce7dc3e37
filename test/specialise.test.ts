import { expect, test } from "vitest";
import { evaluate } from "../src/wgsl/expression";
import { link } from "../src/wgsl/link";
import { specialise, uniformsOf } from "../src/wgsl/specialise";

const squash = (code: string) => code.replace(/\s+/g, " ").trim();

test("overrides become pipeline constants, marked constants are set in the text", () => {
  const source = "override A: f32;\nconst TILE: u32 = 4u;\nconst SCALE: f32 = 1.0;\nconst ON: bool = false;";
  expect(specialise("s", source, { A: 7, TILE: 8, SCALE: 2, ON: 1 })).toEqual({
    code: "override A: f32;\nconst TILE: u32 = 8u;\nconst SCALE: f32 = 2.0;\nconst ON: bool = true;",
    overrides: { A: 7 },
  });
});

test("an override with the mark becomes a uniform behind the bindings, read once by main", () => {
  const source = `override N: u32; // uniform: samples
override P: u32 = 3u; // uniform
override WG: u32 = 64u;
@group(0) @binding(0) var<storage, read_write> y: array<u32>;
fn last() -> u32 { return N - 1u; }
fn main() { y[P] = last() + WG; }`;
  expect([...uniformsOf(source)]).toEqual([
    ["N", undefined],
    ["P", 3],
  ]);
  const { code, overrides } = specialise("s", source, { N: 7, P: 5, WG: 4 });
  expect(overrides).toEqual({ WG: 4 });
  expect(squash(code)).toBe(
    squash(`struct Uniforms_ { N: u32, P: u32 } @group(0) @binding(1) var<uniform> uniforms_: Uniforms_;
    var<private> uniform_N: u32; override WG: u32 = 64u; @group(0) @binding(0) var<storage, read_write> y: array<u32>;
    fn last() -> u32 { return uniform_N - 1u; } fn main() { let P = uniforms_.P; uniform_N = uniforms_.N; y[P] = last() + WG; }`),
  );
});

test("a type sets an alias, and f16 is enabled", () => {
  expect(specialise("s", "alias Element = f32;", { Element: "f16" }).code).toBe("enable f16; alias Element = f16;");
});

test("constants may depend on those of a part appended later", () => {
  const source = "const WORDS: u32 = 8u / PER_WORD;\nconst PER_WORD: u32 = 2u;";
  expect(
    squash(specialise("s", `for (var i = 0u; i < WORDS / 4u; i++) { // unroll\n f(i);\n}\n${source}`, {}).code),
  ).toContain("{ const i = 0u; f(i); } const WORDS");
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

test("the mark of a loop on one line is behind it", () => {
  const source =
    "for (var i = 0u; i < 2u; i++) { if (true) { f(i); } } // unroll\nfor (var i = 0u; i < 2u; i++) { g(i); }";
  expect(squash(specialise("s", source, {}).code)).toBe(
    squash(`{ const i = 0u; if (true) { f(i); } } { const i = 1u; if (true) { f(i); } } // unroll
    for (var i = 0u; i < 2u; i++) { g(i); }`),
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
  ["1u + u32(JOINED)", 2],
  ["1.5", Number.NaN],
])("evaluate %s", (expression, value) => {
  expect(
    evaluate(
      expression,
      new Map([
        ["TILE_M", 14],
        ["JOINED", 1],
      ]),
    ),
  ).toBe(value);
});

test("parts are appended once, with their directives before the first line, and give up what is declared already", () => {
  const library = {
    quad: "// import grid\nenable subgroups;\nconst WG: u32 = 16u;\nfn main() {}",
    stationary: "// import quad\nconst WG: u32 = 4u; // lanes\nalias Own = u32;",
    grid: "fn flat() {}",
  };
  const source = "// import stationary, quad\nalias Own = vec4f;";
  expect(link(source, library).split("\n")).toEqual([
    "enable subgroups; // import stationary, quad",
    "alias Own = vec4f;",
    ...["// import quad", "const WG: u32 = 4u; // lanes", ""],
    ...["// import grid", "", "", "fn main() {}"],
    "fn flat() {}",
  ]);
  expect(() => link("// import none", library)).toThrow("there is no shaders/lib/none.wgsl");
});
