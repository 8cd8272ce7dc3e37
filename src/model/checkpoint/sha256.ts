import { UserError } from "../../errors";
import type { ByteSource } from "./source";

/** Incremental SHA-256, which `crypto.subtle` does not have (FIPS 180-4). ~200 MB/s. */
export interface Hash {
  update(bytes: Uint8Array): void;
  /** Returns the hash in hex. It may not be used afterwards. */
  digest(): string;
}

const fraction = (x: number) => ((x - Math.floor(x)) * 2 ** 32) >>> 0;

/** First 64 primes: the round constants are their cube roots, the initial state the square roots of the first 8. */
const primes = (() => {
  const found: number[] = [];
  for (let n = 2; found.length < 64; n++) if (found.every((p) => n % p !== 0)) found.push(n);
  return found;
})();
const K = Int32Array.from(primes, (p) => fraction(Math.cbrt(p)));
const START = Int32Array.from(primes.slice(0, 8), (p) => fraction(Math.sqrt(p)));

export function sha256(): Hash {
  const state = START.slice();
  const w = new Int32Array(64);
  const block = new Uint8Array(64);
  let filled = 0;
  let total = 0;

  const compress = (bytes: Uint8Array, at: number) => {
    for (let i = 0, p = at; i < 16; i++, p += 4)
      w[i] = (bytes[p]! << 24) | (bytes[p + 1]! << 16) | (bytes[p + 2]! << 8) | bytes[p + 3]!;
    for (let i = 16; i < 64; i++) {
      const x = w[i - 15]!;
      const y = w[i - 2]!;
      const s0 = ((x >>> 7) | (x << 25)) ^ ((x >>> 18) | (x << 14)) ^ (x >>> 3);
      const s1 = ((y >>> 17) | (y << 15)) ^ ((y >>> 19) | (y << 13)) ^ (y >>> 10);
      w[i] = (w[i - 16]! + s0 + w[i - 7]! + s1) | 0;
    }
    let [a, b, c, d, e, f, g, h] = state as unknown as [number, number, number, number, number, number, number, number];
    for (let i = 0; i < 64; i++) {
      const s1 = ((e >>> 6) | (e << 26)) ^ ((e >>> 11) | (e << 21)) ^ ((e >>> 25) | (e << 7));
      const t1 = (h + s1 + ((e & f) ^ (~e & g)) + K[i]! + w[i]!) | 0;
      const s0 = ((a >>> 2) | (a << 30)) ^ ((a >>> 13) | (a << 19)) ^ ((a >>> 22) | (a << 10));
      const t2 = (s0 + ((a & b) ^ (a & c) ^ (b & c))) | 0;
      h = g;
      g = f;
      f = e;
      e = (d + t1) | 0;
      d = c;
      c = b;
      b = a;
      a = (t1 + t2) | 0;
    }
    [a, b, c, d, e, f, g, h].forEach((v, i) => {
      state[i] = state[i]! + v;
    });
  };

  const update = (bytes: Uint8Array) => {
    total += bytes.length;
    let at = 0;
    if (filled > 0) {
      at = Math.min(64 - filled, bytes.length);
      block.set(bytes.subarray(0, at), filled);
      filled += at;
      if (filled < 64) return;
      compress(block, 0);
      filled = 0;
    }
    for (; at + 64 <= bytes.length; at += 64) compress(bytes, at);
    block.set(bytes.subarray(at));
    filled = bytes.length - at;
  };

  return {
    update,
    digest() {
      const bits = BigInt(total) * 8n;
      const pad = new Uint8Array((filled < 56 ? 56 : 120) - filled + 8);
      pad[0] = 0x80;
      new DataView(pad.buffer).setBigUint64(pad.length - 8, bits);
      update(pad);
      return [...state].map((v) => (v >>> 0).toString(16).padStart(8, "0")).join("");
    },
  };
}

/** Hashes a whole source, 4 MiB at a time. */
async function hashOf(source: ByteSource, signal?: AbortSignal, hash: Hash = sha256()): Promise<string> {
  for (let at = 0; at < source.size; at += 2 ** 22)
    hash.update(await source.read(at, Math.min(2 ** 22, source.size - at), signal));
  return hash.digest();
}

/** @throws UserError unless the bytes of the source have this SHA-256 */
export async function verifyChecksum(source: ByteSource, expected: string, signal?: AbortSignal, hash?: Hash) {
  if (!/^[0-9a-f]{64}$/i.test(expected)) throw new UserError(`"${expected}" is no sha256 (64 hex digits)`);
  const found = await hashOf(source, signal, hash);
  if (found !== expected.toLowerCase())
    throw new UserError(`${source.name}: sha256 is ${found}, expected ${expected}; damaged, download it again`);
}
