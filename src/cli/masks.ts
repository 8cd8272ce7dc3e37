import type { MaskOption } from "../api";
import { UserError } from "../errors";

interface Size {
  readonly width: number;
  readonly height: number;
}

/** A mask covers the model's square, or has the aspect of the original and is cropped with it. Asked before any work.
 *  @throws UserError for any other aspect */
export function checkMask(mask: MaskOption, original: Size | undefined, name: string): void {
  if (mask === "official" || mask.width === mask.height || !original) return;
  const ratio = (mask.width * original.height) / (mask.height * original.width);
  if (Math.abs(ratio - 1) < 0.01) return;
  throw new UserError(
    `${name}: the mask is ${mask.width}x${mask.height}, expected a square, or the aspect of the original (${original.width}x${original.height})`,
  );
}
