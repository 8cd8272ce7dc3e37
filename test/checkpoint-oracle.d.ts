/** The npm package has no types of its own; only what the tests use. */
declare module "safetensors" {
  export class SafeTensor {
    constructor(bytes: Uint8Array);
    readonly metadata: Map<string, { readonly dtype: string; readonly shape: number[] }>;
    getTensor(name: string): Uint8Array;
  }
}
