import { writeSafetensors } from "./safetensors-writer";
import { sha256 } from "./sha256";

/** A tensor of a file of our own. */
export interface NamedTensor {
  readonly name: string;
  readonly data: Float32Array<ArrayBuffer>;
}

/** SHA-256 of the names and values of some tensors, whatever their order. */
export function digestOf(tensors: readonly NamedTensor[]): string {
  const hash = sha256();
  for (const { name, data } of [...tensors].sort((a, b) => (a.name < b.name ? -1 : 1))) {
    hash.update(new TextEncoder().encode(name));
    hash.update(new Uint8Array(data.buffer, data.byteOffset, data.byteLength));
  }
  return hash.digest();
}

/** A safetensors file of f32. */
export async function safetensorsBytes(
  tensors: readonly (NamedTensor & { readonly shape: readonly number[] })[],
  metadata: Readonly<Record<string, string>>,
): Promise<Uint8Array<ArrayBuffer>> {
  const entries = tensors.map(({ name, shape, data }) => ({ name, dtype: "F32" as const, shape, bytes: data }));
  const chunks: Uint8Array[] = [];
  for await (const chunk of writeSafetensors(entries, metadata)) chunks.push(chunk);
  return new Uint8Array(await new Blob(chunks as BlobPart[]).arrayBuffer());
}
