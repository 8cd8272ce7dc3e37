import { expectedTensors } from "../src/model/checkpoint/expected";
import type { ModelCheckpoint } from "../src/model/checkpoint/model";
import type { UNetConfig } from "../src/model/config";

/** Seeded values for a checkpoint tensor: weights of variance 1 / fan-in, norms near 1, small biases. */
export function randomValues(seed: number, key: string, shape: readonly number[]): Float32Array<ArrayBuffer> {
  const values = new Float32Array(shape.reduce((a, b) => a * b, 1));
  const fanIn = shape.slice(1).reduce((a, b) => a * b, 1);
  const norm = shape.length === 1 && key.endsWith(".weight");
  const scale = shape.length === 1 ? 0.05 : Math.sqrt(3 / fanIn);
  let state = seed * 0x9e3779b9;
  for (let i = 0; i < values.length; i++) {
    state = (state + 0x6d2b79f5) | 0;
    let z = Math.imul(state ^ (state >>> 15), state | 1);
    z ^= z + Math.imul(z ^ (z >>> 7), z | 61);
    values[i] = (((z ^ (z >>> 14)) >>> 0) / 2 ** 31 - 1) * scale + (norm ? 1 : 0);
  }
  return values;
}

/** A network of this configuration filled with seeded numbers. */
export function randomCheckpoint(name: string, config: UNetConfig): ModelCheckpoint {
  const shapes = [...expectedTensors(config)];
  return {
    file: `random ${name}`,
    container: "safetensors",
    layout: config.family === "adm" ? "C" : "A",
    config,
    tensors: new Map(shapes.map(([key, shape]) => [key, { dtype: "F32" as const, shape }])),
    metadata: {},
    wrapper: "",
    ignored: [],
    surplus: [],
    async read(key) {
      const index = shapes.findIndex(([k]) => k === key);
      return randomValues(index + 1, key, shapes[index]![1]);
    },
    close() {},
  };
}
