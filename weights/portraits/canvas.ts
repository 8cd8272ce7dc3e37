/** A tiny painter: signed-distance shapes with soft edges, laid over each other on a float canvas. */
import { mixRgb, type Rgb } from "./factors";

/** Negative inside, positive outside, in half picture sizes. */
export type Shape = (x: number, y: number) => number;
/** Tone at a point: -1 shadow .. 0 base .. 1 light. */
export type Tone = (x: number, y: number) => number;

/** The three colours a surface runs through from shadow to light. */
export interface Ramp {
  readonly shadow: Rgb;
  readonly base: Rgb;
  readonly light: Rgb;
}

/** Pixels in 0..1, three floats a pixel, and where each pixel lies in the frame that shapes are drawn in. */
export interface Canvas {
  readonly size: number;
  readonly rgb: Float64Array;
  readonly x: Float64Array;
  readonly y: Float64Array;
}

export function newCanvas(size: number): Canvas {
  const x = new Float64Array(size * size);
  const y = new Float64Array(size * size);
  for (let i = 0; i < size * size; i++) {
    x[i] = (((i % size) + 0.5) / size) * 2 - 1;
    y[i] = ((Math.floor(i / size) + 0.5) / size) * 2 - 1;
  }
  return { size, rgb: new Float64Array(size * size * 3), x, y };
}

/** The same pixels seen from a frame that is moved to (ox, oy), turned by `angle` and enlarged by `scale`. */
export function inFrame(canvas: Canvas, ox: number, oy: number, angle: number, scale: number): Canvas {
  const c = Math.cos(angle) / scale;
  const s = Math.sin(angle) / scale;
  const x = canvas.x.map((u, i) => c * (u - ox) + s * (canvas.y[i]! - oy));
  const y = canvas.y.map((v, i) => c * (v - oy) - s * (canvas.x[i]! - ox));
  return { ...canvas, x, y };
}

/** Lays a shape over the canvas. `edge` is the width of the soft edge, by default a pixel and a half at 64 pixels. */
export function fill(
  canvas: Canvas,
  shape: Shape,
  ramp: Ramp,
  { tone = () => 0, opacity = 1, edge = 0.046 }: { tone?: Tone; opacity?: number; edge?: number } = {},
): void {
  const { rgb, x, y } = canvas;
  for (let i = 0; i < x.length; i++) {
    const inside = 0.5 - shape(x[i]!, y[i]!) / edge;
    if (inside <= 0) continue;
    const cover = inside >= 1 ? opacity : opacity * inside * inside * (3 - 2 * inside);
    const t = Math.max(-1, Math.min(1, tone(x[i]!, y[i]!)));
    const end = t < 0 ? ramp.shadow : ramp.light;
    const far = Math.abs(t);
    for (let c = 0; c < 3; c++) {
      const colour = ramp.base[c]! + (end[c]! - ramp.base[c]!) * far;
      rgb[i * 3 + c]! += (colour - rgb[i * 3 + c]!) * cover;
    }
  }
}

/** One colour, no shading. */
export const flat = (colour: Rgb): Ramp => ({ shadow: colour, base: colour, light: colour });

export const ellipse =
  (cx: number, cy: number, rx: number, ry: number): Shape =>
  (x, y) =>
    (Math.hypot((x - cx) / rx, (y - cy) / ry) - 1) * Math.min(rx, ry);

export const roundBox =
  (cx: number, cy: number, hx: number, hy: number, radius: number): Shape =>
  (x, y) => {
    const qx = Math.abs(x - cx) - hx + radius;
    const qy = Math.abs(y - cy) - hy + radius;
    return Math.hypot(Math.max(qx, 0), Math.max(qy, 0)) + Math.min(Math.max(qx, qy), 0) - radius;
  };

/** A straight stroke with round ends. */
export const stroke =
  (ax: number, ay: number, bx: number, by: number, radius: number): Shape =>
  (x, y) => {
    const dx = bx - ax;
    const dy = by - ay;
    const at = Math.max(0, Math.min(1, ((x - ax) * dx + (y - ay) * dy) / (dx * dx + dy * dy)));
    return Math.hypot(x - ax - dx * at, y - ay - dy * at) - radius;
  };

/** A stroke along the parabola through (cx ± half, cy) whose middle lies `sag` lower, turned by `slope`. */
export const arc =
  (cx: number, cy: number, half: number, sag: number, slope: number, radius: number): Shape =>
  (x, y) => {
    const u = (x - cx) / half;
    const k = Math.max(-1, Math.min(1, u));
    const curve = cy + sag * (1 - k * k) + slope * k * half;
    const steep = slope - (2 * sag * k) / half;
    return Math.hypot((y - curve) / Math.hypot(1, steep), Math.max(0, Math.abs(u) - 1) * half) - radius;
  };

export const union =
  (...shapes: readonly Shape[]): Shape =>
  (x, y) => {
    let d = Infinity;
    for (const shape of shapes) d = Math.min(d, shape(x, y));
    return d;
  };

export const intersect =
  (a: Shape, b: Shape): Shape =>
  (x, y) =>
    Math.max(a(x, y), b(x, y));

/** The outline of a shape, `2 * half` wide. */
export const outline =
  (shape: Shape, half: number): Shape =>
  (x, y) =>
    Math.abs(shape(x, y)) - half;

/** 0 below a, 1 above b, smooth between. */
export function smoothstep(a: number, b: number, x: number): number {
  const t = Math.max(0, Math.min(1, (x - a) / (b - a)));
  return t * t * (3 - 2 * t);
}

/** Shadow, base and light of a surface of this colour under this light. */
export function rampOf(colour: Rgb, light: Rgb): Ramp {
  const lit: Rgb = [light[0], light[1], light[2]];
  const shade: Rgb = [0.42 - 0.1 * (lit[0] - 0.9), 0.36 + 0.1 * (1 - lit[1]), 0.46 + 0.25 * (1 - lit[2])];
  return {
    shadow: [colour[0] * shade[0], colour[1] * shade[1], colour[2] * shade[2]],
    base: [colour[0] * 0.96, colour[1] * 0.95, colour[2] * 0.95],
    light: mixRgb(colour, lit, 0.45),
  };
}
