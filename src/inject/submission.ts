/** A copy between buffers that belongs to a step. */
export interface Copy {
  readonly from: GPUBuffer;
  readonly fromOffset?: number;
  readonly to: GPUBuffer;
  readonly toOffset?: number;
  readonly bytes: number;
}

/** One step ready to submit: copies, a recorded graph at a row of the step table, copies. */
export interface Submission {
  readonly program: string;
  readonly row: number;
  readonly t: number;
  readonly before?: readonly Copy[];
  readonly after?: readonly Copy[];
  /** buffers this step fills for good: a snapshot of the run needs them, besides x */
  readonly keeps?: readonly { readonly name: string; readonly buffer: GPUBuffer }[];
}
