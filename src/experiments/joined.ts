import { Inversion } from "../inject/inversion";
import { type InversionFile, readInversion, writeInversion } from "../inject/inversion-file";
import type { Model } from "../inject/model";
import { Store } from "../inject/store";

/** A batch of inverted pictures as one file each. */
export async function splitInversion(batch: Inversion): Promise<Uint8Array<ArrayBuffer>[]> {
  const { info, tensors } = await readInversion(await batch.save(), "inversion");
  return Promise.all(
    info.sources.map((source, n) =>
      writeInversion({
        info: { ...info, sources: [source] },
        tensors: tensors.map(({ name, shape: [count = 1, ...rest], data }) => {
          const size = data.length / count;
          return { name, shape: [1, ...rest], data: data.slice(n * size, (n + 1) * size) };
        }),
      }),
    ),
  );
}

/** Saved inversions of one recipe as one batch on the model's device. */
export async function joinInversions(model: Model, files: readonly InversionFile[]): Promise<Inversion> {
  const joined = files[0]!.tensors.map(({ name }) => {
    const parts = files.map(({ tensors }) => tensors.find((tensor) => tensor.name === name)!.data);
    const all = new Float32Array(parts.reduce((sum, part) => sum + part.length, 0));
    let at = 0;
    for (const part of parts) {
      all.set(part, at);
      at += part.length;
    }
    return [name === "image" ? "images" : name, all] as const;
  });
  const sources = files.flatMap(({ info }) => info.sources);
  const store = await Store.upload(model.device, sources.length, new Map(joined));
  return Inversion.of({ ...files[0]!.info, sources }, store);
}
