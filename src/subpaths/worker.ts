/** `injectfusion/worker`: the engine in a worker. `serve()` in the worker's file, `connect(worker)` on the page.
 *  @module worker */
import { loadModel } from "../browser";
import type { Line } from "../worker/protocol";
import { serveOn } from "../worker/serve";

export { type CallOptions, connect, type Sendable, type WorkerEngine } from "../worker/connect";
export type { Line, ModelInfo, WorkerStep } from "../worker/protocol";

/** Answers the calls of `connect`: call it once, in the file of the worker.
 *  @param line the other end; default: whoever started this worker */
export function serve(line: Line = globalThis as unknown as Line): void {
  serveOn(line, loadModel);
}
