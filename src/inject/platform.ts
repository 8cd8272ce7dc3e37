import type { ImageInput, ImageTensor, Pixels } from "../api";

/** Functions that differ between Node and browsers. */
export interface Platform {
  /** Turns any form of a picture into pixels. */
  decode(input: ImageInput): Promise<Pixels | ImageTensor>;
  encodePng(pixels: Pixels, text?: Readonly<Record<string, string>>): Promise<Uint8Array<ArrayBuffer>>;
}
