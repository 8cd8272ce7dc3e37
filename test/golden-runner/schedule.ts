import { alphaBars, nearestTime, timeSteps } from "../../src/model/schedule";
import { compare } from "./compare";
import type { CaseResult, Values } from "./kernels";

/** alpha-bars to the bit, step sequences, and nearest stored times. */
export async function* runSchedule(
  manifest: Readonly<Record<string, unknown>>,
  tensors: ReadonlyMap<string, Values>,
): AsyncGenerator<CaseResult> {
  for (const [name, precision] of [
    ["alphas_cumprod_f32", "f32"],
    ["alphas_cumprod_f64_cast", "f64"],
  ] as const) {
    const expected = tensors.get(name);
    if (expected) yield compare(name, Float32Array.from(alphaBars(precision)), expected, 0);
  }
  const same = (id: string, found: unknown, expected: unknown): CaseResult => {
    const ok = JSON.stringify(found) === JSON.stringify(expected);
    return { id, ok, worstAbs: ok ? 0 : 1, worstRel: ok ? 0 : 1, tolerance: 0 };
  };
  const numbers = (key: string) =>
    Object.fromEntries([...key.matchAll(/(\w+)=(-?\d+)/g)].map((m) => [m[1]!, Number(m[2])]));
  for (const [key, expected] of Object.entries((manifest.seq ?? {}) as Record<string, number[]>)) {
    const { n, t_0 } = numbers(key);
    yield same(`seq ${key}`, timeSteps(n!, t_0 ?? 999), expected);
  }
  for (const [key, expected] of Object.entries((manifest.closest_t ?? {}) as Record<string, Record<string, number>>)) {
    const { n_inv, n_gen } = numbers(key);
    const stored = timeSteps(n_inv!).slice(0, -1);
    const found = Object.fromEntries(timeSteps(n_gen!).map((t) => [t, nearestTime(stored, t)]));
    yield same(`closest_t ${key}`, found, expected);
  }
  for (const [key, expected] of Object.entries((manifest.injected_steps ?? {}) as Record<string, number[]>)) {
    const { n_gen, content_replace_step } = numbers(key);
    const replaced = new Set(timeSteps(content_replace_step!));
    yield same(
      `injected_steps ${key}`,
      timeSteps(n_gen!).filter((t) => replaced.has(t)),
      expected,
    );
  }
}
