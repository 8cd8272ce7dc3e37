import { UserError } from "../errors";

/** Training steps of every model of the paper. */
export const TRAIN_STEPS = 1000;

/** alpha-bar_t for t = 0..999: prod(1 - beta), beta = linspace(1e-4, 0.02, 1000).   Ho et al. 2020
 *  `f32`: as the official program computes it, betas rounded to f32, 1 - beta in f32, the product carried in f64 and
 *  rounded to f32 at every t. Otherwise f64 throughout. */
export function alphaBars(precision: "f64" | "f32" = "f64"): Float64Array {
  const round = precision === "f32" ? Math.fround : (v: number) => v;
  const first = 1e-4;
  const last = 0.02;
  let product = 1;
  return Float64Array.from({ length: TRAIN_STEPS }, (_, t) => {
    const beta = round(first + ((last - first) * t) / (TRAIN_STEPS - 1));
    product *= round(1 - beta);
    return round(product);
  });
}

/** Time steps of a run of `count` steps, ascending: int(linspace(0, 1, count) * top + 1e-6).   method of the paper
 *  @throws UserError unless 1 <= count <= top + 1. */
export function timeSteps(count: number, top = TRAIN_STEPS - 1): number[] {
  if (!Number.isInteger(count) || count < 1 || count > top + 1)
    throw new UserError(`${count} steps: needed a whole number from 1 to ${top + 1}`);
  if (count === 1) return [0]; // as linspace does
  return Array.from({ length: count }, (_, i) => Math.floor((i / (count - 1)) * top + 1e-6));
}

/** Pairs (t, next) of inversion: each step is evaluated at t and leads to the next larger one. */
export function inversionSteps(times: readonly number[]): { t: number; next: number }[] {
  return times.slice(0, -1).map((t, i) => ({ t, next: times[i + 1]! }));
}

/** Pairs (t, next) of generation, from the top down; the last leads to -1, the clean image. */
export function generationSteps(times: readonly number[]): { t: number; next: number }[] {
  return times.map((t, i) => ({ t, next: i === 0 ? -1 : times[i - 1]! })).reverse();
}

/** The stored time step nearest to t; of two as near, the larger one (the official program's choice). */
export function nearestTime(stored: readonly number[], t: number): number {
  return stored.reduce((best, key) => {
    const closer = Math.abs(key - t) - Math.abs(best - t);
    return closer < 0 || (closer === 0 && key > best) ? key : best;
  });
}
