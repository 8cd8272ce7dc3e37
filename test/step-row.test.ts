import { expect, test } from "vitest";
import { MAX_CONTENTS, MIX, STEP, STEP_FLOATS } from "../src/kernels/step/step-row";
import { shaders } from "../src/wgsl/shaders";

/** Shaders that bind the step rows. */
const readers = Object.entries<string>(shaders).filter(([, text]) => /<storage, read> steps: array<[fu]32>/.test(text));

test("every column a shader names is the column of step-row.ts", () => {
  let named = 0;
  for (const [shader, text] of readers)
    for (const [, name, value] of text.matchAll(/^const (\w+) = (\d+)u;/gm))
      if (name! in STEP) {
        named++;
        expect.soft(Number(value), `shaders/${shader}.wgsl: ${name}`).toBe(STEP[name as keyof typeof STEP]);
      }
  expect(named).toBeGreaterThan(10);
});

test("every row a shader reads has STEP_FLOATS columns", () => {
  expect(readers.length).toBeGreaterThan(5);
  for (const [shader, text] of readers) {
    expect.soft(text, `shaders/${shader}.wgsl`).toContain(`, ${STEP_FLOATS}]`);
    for (const [, floats] of text.matchAll(/\* (\d+)u\b/g))
      if (text.includes("steps[")) expect.soft(["4", "8", "64", "128", `${STEP_FLOATS}`]).toContain(floats);
  }
});

test("scalars and contents lie side by side within a row", () => {
  const scalars = Object.entries(STEP).filter(([name]) => name !== "GAMMA" && name !== "RULE");
  const columns = [
    ...scalars.map(([, at]) => at as number),
    ...Array.from({ length: MAX_CONTENTS }, (_, k) => STEP.GAMMA + k),
    ...Array.from({ length: MAX_CONTENTS }, (_, k) => STEP.RULE + k),
  ];
  expect(new Set(columns).size).toBe(columns.length);
  expect(Math.max(...columns)).toBeLessThan(STEP_FLOATS);
});

test("the rules of mix_weights.wgsl are those of step-row.ts", () => {
  const header = shaders["step/mix_weights"];
  expect(header).toContain("0 slerp of");
  const spelled = { slerp: "0 slerp", slerpRaw: "1 slerp", lerp: "2 lerp", add: "3 add", replace: "4 replace" };
  for (const [rule, words] of Object.entries(spelled)) {
    expect(words.startsWith(`${MIX[rule as keyof typeof MIX]} `)).toBe(true);
    expect(header.replaceAll(/\n\/\/ /g, " ")).toContain(words);
  }
});
