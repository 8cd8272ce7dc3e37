/** Name of one draw of noise: two words of key and one of counter, all u32. */
export interface NoiseKey {
  readonly seed: number;
  readonly stream: number;
  readonly draw: number;
}

type Words = readonly [number, number, number, number];

/** Philox4x32-10, a counter-based generator: four random words for each counter and key.   Salmon et al. 2011 */
export function philox4x32(counter: Words, [key0, key1]: readonly [number, number]): Words {
  let [a, b, c, d] = counter;
  for (let round = 0; round < 10; round++) {
    const k0 = key0 + round * 0x9e3779b9;
    const k1 = key1 + round * 0xbb67ae85;
    const [highA, lowA] = multiplyWide(0xd2511f53, a);
    const [highC, lowC] = multiplyWide(0xcd9e8d57, c);
    [a, b, c, d] = [(highC ^ b ^ k0) >>> 0, lowC, (highA ^ d ^ k1) >>> 0, lowA];
  }
  return [a, b, c, d];
}

function multiplyWide(a: number, b: number): [high: number, low: number] {
  const product = BigInt(a) * BigInt(b);
  return [Number(product >> 32n), Number(product & 0xffffffffn)];
}

/** The `count` standard normals of one sample, in f64: the twin of shaders/step/noise.wgsl.   Box & Muller 1958 */
export function gaussianNoise({ seed, stream, draw }: NoiseKey, count: number): Float64Array {
  const out = new Float64Array(count);
  for (let i = 0; i < count; i += 4) {
    const [a, b, c, d] = philox4x32([i / 4, draw, 0, 0], [seed, stream]);
    out.set([...normalPair(a, b), ...normalPair(c, d)].slice(0, count - i), i);
  }
  return out;
}

function normalPair(a: number, b: number): [number, number] {
  const radius = Math.sqrt(-2 * Math.log(((a >>> 9) + 0.5) / 2 ** 23));
  const angle = (2 * Math.PI * (b >>> 9)) / 2 ** 23;
  return [radius * Math.cos(angle), radius * Math.sin(angle)];
}
