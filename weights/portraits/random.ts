import { mulberry32 } from "../../src/random";

// Small seeded random numbers: the same seed gives the same picture on every machine.

/** A source of uniform numbers in [0, 1). */
export type Random = () => number;

/** The seed is scrambled first, so that neighbouring seeds do not resemble each other. */
export const random = (seed: number): Random => mulberry32(scramble(seed));

/** A uniform number in [low, high). */
export const between = (r: Random, low: number, high: number): number => low + (high - low) * r();

/** A number around `mean`, within `mean ± 1.5 spread`, likelier in the middle (mean of three uniforms). */
export const around = (r: Random, mean: number, spread: number): number => mean + spread * (r() + r() + r() - 1.5);

/** One entry of a weighted table. */
export function pick<T extends string>(r: Random, table: Readonly<Record<T, number>>): T {
  const entries = Object.entries(table) as [T, number][];
  let at = r() * entries.reduce((sum, [, weight]) => sum + weight, 0);
  for (const [name, weight] of entries) if ((at -= weight) < 0) return name;
  return entries[entries.length - 1]![0];
}

/** Hash of two integers to [0, 1): lattice values for smooth noise. */
export function lattice(x: number, y: number, seed: number): number {
  return (scramble(Math.imul(x, 0x1f123bb5) ^ Math.imul(y, 0x5f356495) ^ seed) >>> 0) / 2 ** 32;
}

function scramble(seed: number): number {
  let z = (seed ^ 0x9e3779b9) | 0;
  z = Math.imul(z ^ (z >>> 16), 0x85ebca6b);
  z = Math.imul(z ^ (z >>> 13), 0xc2b2ae35);
  return z ^ (z >>> 16);
}
