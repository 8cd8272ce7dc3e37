/** `injectfusion/worker` in Node: the engine in one of `worker_threads`.
 *  @module worker */
import { parentPort } from "node:worker_threads";
import { UserError } from "../errors";
import { loadModel } from "../node";
import { connect as connectAnywhere, type WorkerEngine } from "../worker/connect";
import { type Line, listen, type Request } from "../worker/protocol";
import { serveOn } from "../worker/serve";

export type { CallOptions, Sendable, WorkerEngine } from "../worker/connect";
export type { Line, ModelInfo, WorkerStep } from "../worker/protocol";

/** Time that a worker has to free its devices when the process exits. */
const PATIENCE_MS = 10_000;

const connected = new Set<Line>();

/** Asks all workers at once, then waits for each. */
function closeAll(): void {
  const asked = [...connected].map((worker) => {
    const closed = new Int32Array(new SharedArrayBuffer(4));
    worker.postMessage({ close: closed } satisfies Request);
    return closed;
  });
  for (const closed of asked) Atomics.wait(closed, 0, 0, PATIENCE_MS);
}

/** Talks to a worker that called `serve()`. A process that exits ends the worker's run first: one that is cut off while it
 *  waits for the GPU takes the process down with it. `worker.terminate()` does that too: call `dispose()` before.
 *  @param worker a Worker of Node, or a MessagePort */
export function connect(worker: Line): WorkerEngine {
  if (connected.size === 0) process.once("exit", closeAll);
  connected.add(worker);
  const gone = () => {
    connected.delete(worker);
    if (connected.size === 0) process.off("exit", closeAll);
  };
  for (const end of ["exit", "close"]) worker.on?.(end, gone); // of a Worker, of a port
  return connectAnywhere(worker);
}

/** Answers the calls of `connect`: call it once, in the file of the worker.
 *  @param line the other end; default: whoever started this worker
 *  @throws UserError outside of a worker */
export function serve(line: Line | null = parentPort as Line | null): void {
  if (!line) throw new UserError("serve: is called in a worker (node:worker_threads), not in the main thread");
  const end = serveOn(line, loadModel);
  listen(line, async (data) => {
    const request = data as Request;
    if (!("close" in request)) return;
    await end().catch(() => {});
    Atomics.store(request.close, 0, 1);
    Atomics.notify(request.close, 0);
  });
}
