import { random } from "../checkpoint-models";

/** Seeded choices for one trial: the same seed and trial give the same choices, whatever ran before. */
export interface Chance {
  /** A whole number from `least` to `most`. */
  whole(least: number, most: number): number;
  /** One of these. */
  one<T>(values: readonly T[]): T;
  /** True once in `n` times. */
  once(n: number): boolean;
  /** Uniform in [-1, 1). */
  values(count: number): Float32Array<ArrayBuffer>;
}

export function chance(seed: number, trial: number): Chance {
  const next = random(Math.imul(seed, 0x9e3779b1) ^ Math.imul(trial + 1, 0x85ebca6b));
  for (let i = 0; i < 4; i++) next();
  const whole = (least: number, most: number) =>
    Math.min(most, least + Math.floor(((next() + 1) / 2) * (most - least + 1)));
  return {
    whole,
    one: (values) => values[whole(0, values.length - 1)]!,
    once: (n) => whole(1, n) === 1,
    values: (count) => Float32Array.from({ length: count }, next),
  };
}
