/** One operation of a TF.js graph. */
export interface GraphNode {
  readonly name: string;
  readonly op: string;
  readonly input: readonly string[];
  readonly attr: Readonly<Record<string, unknown>>;
}

/** The graph of a TF.js model, whose constants are its tensors. */
export interface TfGraph {
  readonly nodes: readonly GraphNode[];
  /** sizes of each input, -1 for any */
  readonly inputs: readonly (readonly number[])[];
}
