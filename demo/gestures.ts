import type { Square } from "../src/browser";

/** A place in the picture, in its pixels. */
export type Point = readonly [x: number, y: number];

/** Moves the model's square by fingers, a mouse or keys. Pure: a square in, a square out. */

export const shifted = (square: Square, dx: number, dy: number): Square => ({
  ...square,
  x: square.x + dx,
  y: square.y + dy,
});

/** Grown by a factor about a point that stays where it is in the square. */
export const grown = (square: Square, factor: number, [px, py]: Point = [square.x, square.y]): Square => ({
  ...square,
  x: px + (square.x - px) * factor,
  y: py + (square.y - py) * factor,
  size: square.size * factor,
});

export const turned = (square: Square, degrees: number): Square => ({
  ...square,
  degrees: wrapped((square.degrees ?? 0) + degrees),
});

/** Follows two fingers: moved, grown and turned as the line between them is. */
export function pinched(square: Square, [p, q]: readonly [Point, Point], [r, s]: readonly [Point, Point]): Square {
  const [ax, ay, bx, by] = [q[0] - p[0], q[1] - p[1], s[0] - r[0], s[1] - r[1]];
  const before = ax * ax + ay * ay;
  if (before === 0) return square;
  // The similarity z -> m z + c that takes p to r and q to s, as complex numbers.
  const [re, im] = [(bx * ax + by * ay) / before, (by * ax - bx * ay) / before];
  const [x, y] = [square.x - p[0], square.y - p[1]];
  return turned(
    { ...square, x: r[0] + re * x - im * y, y: r[1] + im * x + re * y, size: square.size * Math.hypot(re, im) },
    (Math.atan2(im, re) * 180) / Math.PI,
  );
}

/** Kept in sight: its centre in the picture, its side from 8 pixels to twice the picture's longer side. */
export function kept(square: Square, width: number, height: number): Square {
  const within = (v: number, low: number, high: number) => Math.min(high, Math.max(low, v));
  return {
    x: within(square.x, 0, width),
    y: within(square.y, 0, height),
    size: within(square.size, Math.min(8, width, height), 2 * Math.max(width, height)),
    degrees: square.degrees ?? 0,
  };
}

/** An angle in (-180, 180]. */
function wrapped(degrees: number): number {
  const turn = ((degrees % 360) + 360) % 360;
  return turn > 180 ? turn - 360 : turn;
}
