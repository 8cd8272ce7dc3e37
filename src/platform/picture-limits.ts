/** Limits on the pictures that are decoded. */
export interface PictureLimits {
  /** Pixels a picture may have; default 2^26 (67 million), or `INJECTFUSION_MAX_PIXELS`. Pictures that cannot be decoded row
   *  by row (AVIF, GIF, WebP, progressive JPEG, interlaced PNG) may have half as many. */
  readonly maxPixels?: number | undefined;
}
