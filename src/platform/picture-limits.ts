/** Limits on the pictures that are decoded. */
export interface PictureLimits {
  /** Pixels a picture may have; default 2^26 (67 million), or `INJECTFUSION_MAX_PIXELS`. A side may have twice the square root
   *  of that. Pictures that cannot be decoded row by row take more memory and may have fewer pixels: WebP, progressive JPEG
   *  and interlaced PNG half as many, GIF a quarter, AVIF 3/16. */
  readonly maxPixels?: number | undefined;
}
