/** The last pass: the light over the whole picture, the paint's surface, and rounding to bytes. */
import type { Canvas } from "./canvas";
import type { Factors } from "./factors";
import { lattice } from "./random";

/** Float canvas to RGBA bytes. */
export function finish({ size, rgb, x, y }: Canvas, f: Factors): Uint8ClampedArray<ArrayBuffer> {
  const bytes = new Uint8ClampedArray(size * size * 4).fill(255);
  const dx = Math.cos(f.lightAngle) * f.lightSide;
  const dy = Math.sin(f.lightAngle) * f.lightSide;
  const surface = surfaceOf(f);
  for (let i = 0; i < size * size; i++) {
    const u = x[i]!;
    const v = y[i]!;
    const reach = 1 + 0.16 * f.lightStrength * (u * dx + v * dy) - 0.06 * (u * u + v * v);
    for (let c = 0; c < 3; c++) {
      const value = rgb[i * 3 + c]! * reach * (0.5 + 0.5 * f.light[c]!);
      bytes[i * 4 + c] = 255 * surface(value, u, v);
    }
  }
  return bytes;
}

/** value in 0..1 at (x, y) to the value on the painted surface. */
function surfaceOf(f: Factors): (value: number, x: number, y: number) => number {
  const c = Math.cos(f.textureAngle);
  const s = Math.sin(f.textureAngle);
  const k = f.textureStrength;
  switch (f.texture) {
    case "plain":
      return (value) => value;
    case "brush": // strokes: noise stretched along one direction
      return (value, x, y) => {
        const n = smoothNoise((x * c + y * s) * 3.2, (y * c - x * s) * 11, f.textureSeed);
        return value + 0.16 * k * (n - 0.5) * (0.35 + value);
      };
    case "hatch": // parallel lines, stronger where it is dark
      return (value, x, y) => {
        const line = Math.sin((y * c - x * s) * 38);
        return value + 0.035 * k * line * (1.2 - value);
      };
    case "poster": // soft steps of tone
      return (value) => {
        const steps = 5;
        return value - (k * 0.85 * Math.sin(2 * Math.PI * steps * value)) / (2 * Math.PI * steps);
      };
    default:
      return f.texture satisfies never;
  }
}

/** Value noise in 0..1 with a lattice of one unit, smooth in both directions. */
function smoothNoise(x: number, y: number, seed: number): number {
  const ix = Math.floor(x);
  const iy = Math.floor(y);
  const fx = ease(x - ix);
  const fy = ease(y - iy);
  const top = lattice(ix, iy, seed) * (1 - fx) + lattice(ix + 1, iy, seed) * fx;
  const bottom = lattice(ix, iy + 1, seed) * (1 - fx) + lattice(ix + 1, iy + 1, seed) * fx;
  return top * (1 - fy) + bottom * fy;
}

const ease = (t: number): number => t * t * (3 - 2 * t);
