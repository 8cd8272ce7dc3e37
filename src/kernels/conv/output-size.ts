/** Zeros around the input of a 3x3 convolution. same: one all round; asymmetric: one below and one to the right. */
export type Padding = "same" | "asymmetric";

/** DDPM pads a convolution of stride 2 asymmetrically. */
export const defaultPadding = (stride: 1 | 2): Padding => (stride === 2 ? "asymmetric" : "same");

/** Output size of a convolution along one side of its input. A 1x1 convolution has no padding. */
export function outputSize(
  size: number,
  o: { kernel: 1 | 3; stride?: 1 | 2 | undefined; upsample?: boolean | undefined; pad?: Padding | undefined },
): number {
  const { kernel, stride = 1, upsample = false, pad = defaultPadding(stride) } = o;
  const zeros = kernel === 1 ? 0 : pad === "same" ? 2 : 1;
  return Math.floor((size * (upsample ? 2 : 1) + zeros - kernel) / stride) + 1;
}
