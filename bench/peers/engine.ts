import type { PeerCase } from "./cases";

/** An engine that can run a case. */
export interface Engine {
  /** name and version */
  readonly name: string;
  /** Uploads weights and builds whatever is built once. */
  open(testCase: PeerCase): Promise<Session>;
  close?(): Promise<void> | void;
}

/** From inputs in host memory to the output in host memory, [N, C, H, W]: the same work for every engine. */
export interface Session {
  run(): Promise<Float32Array>;
  close(): Promise<void> | void;
}
