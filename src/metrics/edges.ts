import type { Pixels } from "../api";
import { sameSize } from "./image";

/** Difference of layout, whatever the colours: 1 - correlation of the two maps of edges. 0 alike, about 1 unrelated. */
export function geometryDistance(a: Pixels, b: Pixels): number {
  sameSize(a, b);
  return 1 - correlation(edgeMap(a), edgeMap(b));
}

/** Where a result's geometry lies between the original's (0) and the content's (1). */
export function towardContent(result: Pixels, content: Pixels, original: Pixels): number {
  const fromOriginal = geometryDistance(result, original);
  return fromOriginal / (fromOriginal + geometryDistance(result, content) || 1);
}

/** Strength and orientation of edges at every pixel, three maps in one array, each centred to mean 0.
 *  Edges of any colour count. Strength is relative to the edges around and squared: strong contrasts of one palette do
 *  not drown the rest, and faint ones (light, paint texture) count for little. Orientation has no sign, so dark on light
 *  and light on dark are the same edge. */
export function edgeMap({ width: w, height: h, data }: Pixels): Float64Array {
  const strength = new Float64Array(w * h); // of the structure tensor: its trace, and the two parts of its
  const along = new Float64Array(w * h); //    anisotropy
  const across = new Float64Array(w * h);
  for (let c = 0; c < 3; c++) {
    const channel = Float64Array.from({ length: w * h }, (_, i) => data[i * 4 + c]!);
    const smooth = blur(channel, w, h, 0.8);
    for (let i = 0; i < w * h; i++) {
      const x = i % w;
      const y = Math.floor(i / w);
      const gx = smooth[y * w + clamp(x + 1, w)]! - smooth[y * w + clamp(x - 1, w)]!;
      const gy = smooth[clamp(y + 1, h) * w + x]! - smooth[clamp(y - 1, h) * w + x]!;
      strength[i]! += gx * gx + gy * gy;
      along[i]! += gx * gx - gy * gy;
      across[i]! += 2 * gx * gy;
    }
  }
  const magnitude = strength.map(Math.sqrt);
  const around = blur(magnitude, w, h, 6);
  const all = new Float64Array(3 * w * h);
  for (const [i, map] of [strength, along, across].entries()) {
    const relative = map.map(
      (v, k) => (Math.sign(v) * v * v) / (magnitude[k]! * (magnitude[k]! + around[k]! + faint)) ** 2,
    );
    all.set(centred(blur(relative.map(finite), w, h, 1)), i * w * h);
  }
  return all;
}

/** Colour difference over two pixels, in bytes summed over channels, below which an edge fades out of the map. */
const faint = 60;

const finite = (v: number): number => (Number.isFinite(v) ? v : 0);

/** Pearson's, for arrays that have mean 0 already. */
function correlation(a: Float64Array, b: Float64Array): number {
  let ab = 0;
  let aa = 0;
  let bb = 0;
  for (let i = 0; i < a.length; i++) {
    ab += a[i]! * b[i]!;
    aa += a[i]! * a[i]!;
    bb += b[i]! * b[i]!;
  }
  return aa > 0 && bb > 0 ? ab / Math.sqrt(aa * bb) : Number(aa === bb);
}

/** Gaussian blur, separable, edges repeated. */
function blur(map: Float64Array, w: number, h: number, sigma: number): Float64Array {
  const reach = Math.ceil(2.5 * sigma);
  const kernel = Array.from({ length: 2 * reach + 1 }, (_, i) => Math.exp(-((i - reach) ** 2) / (2 * sigma * sigma)));
  const total = kernel.reduce((sum, v) => sum + v);
  const pass = (from: Float64Array, dx: number, dy: number) =>
    from.map((_, i) => {
      const x = i % w;
      const y = Math.floor(i / w);
      let sum = 0;
      for (let k = -reach; k <= reach; k++) {
        sum += (kernel[k + reach]! / total) * from[clamp(y + k * dy, h) * w + clamp(x + k * dx, w)]!;
      }
      return sum;
    });
  return pass(pass(map, 1, 0), 0, 1);
}

function centred(map: Float64Array): Float64Array {
  const mean = map.reduce((sum, v) => sum + v, 0) / map.length;
  return map.map((v) => v - mean);
}

const clamp = (i: number, size: number): number => Math.max(0, Math.min(size - 1, i));
