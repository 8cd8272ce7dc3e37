import type { ImageInput, Pixels } from "../api";
import { DeviceLostError, NonFiniteError, ShapeError, UserError } from "../errors";
import type { InjectOptions, ReconstructOptions, SampleOptions } from "../inject/options";
import type { LoadOptions } from "../load";
import {
  type CallName,
  type Line,
  listen,
  listenForFailure,
  type ModelInfo,
  type Reply,
  type Request,
  type WorkerStep,
} from "./protocol";

/** Arguments of every call to a worker besides its options. */
export interface CallOptions {
  /** Ends the call, and the run in the worker. */
  readonly signal?: AbortSignal;
  /** Called after every step. */
  readonly onStep?: (step: WorkerStep) => void;
  /** Every so many steps `onStep` gets the predicted pictures too. Default: never. */
  readonly previewEvery?: number;
}

/** Options that are plain data: what can be sent to a worker. */
export type Sendable<T> = Omit<
  T,
  "signal" | "onStep" | "onSnapshot" | "onProgress" | "onTuned" | "tuneStore" | "device"
>;

/** A model in a worker. Pictures are sent as Blobs, file bytes, ImageBitmaps, pixels or addresses (a relative one is
 *  relative to the worker's file); results come back as pixels. */
export interface WorkerEngine {
  /** Loads a model in the worker, in place of the one before. */
  load(source?: string | Blob | Uint8Array, options?: Sendable<LoadOptions>): Promise<ModelInfo>;
  /** Injects contents into originals; see `Model.inject`. */
  inject(options: Sendable<InjectOptions>, call?: CallOptions): Promise<Pixels[]>;
  /** Inverts pictures and generates them again; see `Model.reconstruct`. */
  reconstruct(
    pictures: ImageInput | readonly ImageInput[],
    options?: Sendable<ReconstructOptions>,
    call?: CallOptions,
  ): Promise<Pixels[]>;
  /** Draws pictures from noise; see `Model.sample`. */
  sample(options?: Sendable<SampleOptions>, call?: CallOptions): Promise<Pixels[]>;
  /** Frees the model. The worker stays, and can load another. */
  dispose(): Promise<void>;
}

interface Pending {
  readonly resolve: (result: unknown) => void;
  readonly reject: (reason: unknown) => void;
  readonly onStep: CallOptions["onStep"];
}

/** Talks to a worker that called `serve()`.
 *  @param worker a Worker of a page or of Node, or a MessagePort */
export function connect(worker: Line): WorkerEngine {
  const pending = new Map<number, Pending>();
  let last = 0;
  listen(worker, (data) => {
    const reply = data as Reply;
    const call = pending.get(reply.id);
    if (!call) return;
    if ("step" in reply) {
      call.onStep?.(reply.step);
      return;
    }
    pending.delete(reply.id);
    if ("error" in reply) call.reject(errorOf(reply.error));
    else call.resolve(reply.result);
  });

  listenForFailure(worker, (message) => {
    for (const call of pending.values()) call.reject(new UserError(`the worker failed (${message})`));
    pending.clear();
  });

  const send = async <T>(call: CallName, args: readonly unknown[], options: CallOptions = {}): Promise<T> => {
    const { signal, onStep, previewEvery } = options;
    signal?.throwIfAborted();
    const id = ++last;
    const request: Request = { id, call, args, ...(previewEvery !== undefined && { previewEvery }) };
    const end = () => {
      worker.postMessage({ id, abort: String(signal?.reason) } satisfies Request);
      pending.get(id)?.reject(signal?.reason);
      pending.delete(id);
    };
    try {
      return await new Promise<T>((resolve, reject) => {
        pending.set(id, { resolve: resolve as (result: unknown) => void, reject, onStep });
        signal?.addEventListener("abort", end, { once: true });
        try {
          worker.postMessage(request);
        } catch (error) {
          pending.delete(id);
          reject(new UserError(`${call}: not everything given can be sent to a worker (${(error as Error).message})`));
        }
      });
    } finally {
      signal?.removeEventListener("abort", end);
    }
  };
  return {
    load: (source, options = {}) => send("load", [source, options]),
    inject: (options, call) => send("inject", [options], call),
    reconstruct: (pictures, options = {}, call) => send("reconstruct", [pictures, options], call),
    sample: (options = {}, call) => send("sample", [options], call),
    dispose: () => send("dispose", []),
  };
}

const classes: Readonly<Record<string, new (message: string) => Error>> = {
  UserError,
  ShapeError,
  NonFiniteError,
  DeviceLostError,
};

/** The error that the worker met, of the same class where callers tell classes apart. */
function errorOf({ name, message }: { readonly name: string; readonly message: string }): Error {
  const made = new (classes[name] ?? Error)(message);
  made.name = name;
  return made;
}
