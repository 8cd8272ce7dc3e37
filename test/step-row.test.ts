import { expect, test } from "vitest";
import { MAX_CONTENTS, MIX, STEP, STEP_FLOATS } from "../src/kernels/step/step-row";
import { moduleConstants } from "../src/wgsl/expression";
import { shaders } from "../src/wgsl/shaders";

const constants = Object.fromEntries(moduleConstants(shaders["step/mix_weights"]));

test("shaders/lib/step_row.wgsl has the row of step-row.ts: its length, its columns, its rules", () => {
  expect(constants).toMatchObject({ ...STEP, STEP_FLOATS });
  const rules = Object.fromEntries(
    Object.entries(MIX).map(([rule, value]) => [rule.replace(/[A-Z]/, (c) => `_${c}`).toUpperCase(), value]),
  );
  expect(constants).toMatchObject(rules);
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
