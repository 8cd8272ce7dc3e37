/** `injectfusion/worker` in Node: the engine in one of `worker_threads`.
 *  @module worker */
import { parentPort } from "node:worker_threads";
import { UserError } from "../errors";
import { loadModel } from "../node";
import type { Line } from "../worker/protocol";
import { serveOn } from "../worker/serve";

export { type CallOptions, connect, type Sendable, type WorkerEngine } from "../worker/connect";
export type { Line, ModelInfo, WorkerStep } from "../worker/protocol";

/** Answers the calls of `connect`: call it once, in the file of the worker.
 *  @param line the other end; default: whoever started this worker
 *  @throws UserError outside of a worker */
export function serve(line: Line | null = parentPort as Line | null): void {
  if (!line) throw new UserError("serve: is called in a worker (node:worker_threads), not in the main thread");
  serveOn(line, loadModel);
}
