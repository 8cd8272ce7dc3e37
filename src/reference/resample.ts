import { make, type Numbers, sum } from "./numbers";

/** PIL's antialiased bilinear resize of a window of one channel, without its rounding to 8 bits. */
export function resize(
  pixels: Numbers,
  width: number,
  [left, top, right, bottom]: readonly [number, number, number, number],
  outWidth: number,
  outHeight: number,
): Float64Array {
  const across = taps(right - left, outWidth);
  const down = taps(bottom - top, outHeight);
  return make(outWidth * outHeight, (at) =>
    sum(
      down[Math.floor(at / outWidth)]!.flatMap(([y, wy]) =>
        across[at % outWidth]!.map(([x, wx]) => wy * wx * pixels[(top + y) * width + left + x]!),
      ),
    ),
  );
}

/** For every output, the inputs it reads and their weights. */
function taps(inputs: number, outputs: number): [index: number, weight: number][][] {
  const scale = inputs / outputs;
  const radius = Math.max(1, scale);
  return Array.from({ length: outputs }, (_, o) => {
    const centre = (o + 0.5) * scale;
    const all = Array.from({ length: inputs }, (_, i): [number, number] => [
      i,
      Math.max(0, 1 - Math.abs(i + 0.5 - centre) / radius),
    ]);
    const total = sum(all.map(([, weight]) => weight));
    return all.filter(([, weight]) => weight > 0).map(([i, weight]) => [i, weight / total]);
  });
}
