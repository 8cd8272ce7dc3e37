/** A run after some of its steps: enough to go on from there on another device. Plain data, so it can be cloned, posted
 *  to a worker or kept in IndexedDB. */
export interface RunSnapshot {
  readonly phase: "invert" | "generate";
  /** Steps finished. */
  readonly step: number;
  /** Which run this is: a hash of its plan. */
  readonly run: string;
  /** x after those steps: f32 [N, 3, side, side]. */
  readonly x: Float32Array;
  /** Other tensors that the steps left behind, by name: of an inversion h at every t so far, f32 [N, C, H, W], and x_T
   *  when it is reached. */
  readonly kept: Readonly<Record<string, Float32Array>>;
}
