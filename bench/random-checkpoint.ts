import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { convertModel } from "../src/model/checkpoint/convert";
import { expectedTensors } from "../src/model/checkpoint/expected";
import { fileSource, writeFileAtomic } from "../src/model/checkpoint/file-node";
import { LAYOUT_OF } from "../src/model/checkpoint/layout";
import { type ModelCheckpoint, openModelCheckpoint } from "../src/model/checkpoint/model";
import type { UNetConfig } from "../src/model/config";
import { DDPM_SCHEDULE } from "../src/model/schedule";
import { mulberry32 } from "../src/random";

/** Seeded values for a checkpoint tensor: weights of variance 1 / fan-in, norms near 1, small biases. */
export function randomValues(seed: number, key: string, shape: readonly number[]): Float32Array<ArrayBuffer> {
  const values = new Float32Array(shape.reduce((a, b) => a * b, 1));
  const fanIn = shape.slice(1).reduce((a, b) => a * b, 1);
  const norm = (shape.length === 1 && key.endsWith(".weight")) || key.endsWith(".g");
  const scale = shape.length === 1 ? 0.05 : Math.sqrt(3 / fanIn);
  const next = mulberry32(seed * 0x9e3779b9);
  for (let i = 0; i < values.length; i++) values[i] = (2 * next() - 1) * (norm ? 0.05 : scale) + (norm ? 1 : 0);
  return values;
}

/** A network of this configuration filled with seeded numbers. */
export function randomCheckpoint(name: string, config: UNetConfig): ModelCheckpoint {
  const shapes = [...expectedTensors(config)];
  return {
    file: `random ${name}`,
    container: "safetensors",
    layout: LAYOUT_OF[config.family],
    config,
    schedule: DDPM_SCHEDULE,
    from: {},
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

/** The same as a safetensors file, which is there until the checkpoint is closed. */
export async function randomFile(name: string, config: UNetConfig): Promise<ModelCheckpoint> {
  const folder = mkdtempSync(join(tmpdir(), "random-checkpoint-"));
  const file = join(folder, `${name}.safetensors`);
  const { pieces } = await convertModel(randomCheckpoint(name, config), { dtype: "f32" });
  await writeFileAtomic(file, pieces);
  const model = await openModelCheckpoint(await fileSource(file));
  return {
    ...model,
    close() {
      model.close();
      rmSync(folder, { recursive: true });
    },
  };
}
