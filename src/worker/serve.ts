import type { ImageInput, RunOptions, StepEvent } from "../api";
import { UserError } from "../errors";
import type { Model } from "../inject/model";
import type { InjectOptions, ReconstructOptions, SampleOptions } from "../inject/options";
import type { Result } from "../inject/result";
import type { LoadOptions } from "../load";
import { buffersOf, type Line, listen, type ModelInfo, type Reply, type Request } from "./protocol";

/** Loads a model, as the library of this platform does. */
export type Load = (source: string | Blob | Uint8Array | undefined, options: LoadOptions) => Promise<Model>;

/** Answers the calls of `connect`, one after the other. @param line the other end, the page or the main thread
 *  @returns how to end every call and free the model */
export function serveOn(line: Line, load: Load): () => Promise<void> {
  const running = new Map<number, AbortController>();
  let model: Model | undefined;
  let queue: Promise<unknown> = Promise.resolve();
  const reply = (message: Reply, transfer: ArrayBuffer[] = []) => line.postMessage(message, transfer);

  const loaded = (): Model => {
    if (!model) throw new UserError("no model is loaded in the worker; call load() first");
    return model;
  };

  /** Options of a run that sends its steps. */
  const runOptions = (id: number, signal: AbortSignal, previewEvery?: number): RunOptions => ({
    signal,
    async onStep(event: StepEvent) {
      const { phase, step, steps, t } = event;
      const wanted = previewEvery && step % previewEvery === 0 && phase === "generate";
      const preview = wanted ? await event.preview() : undefined;
      reply({ id, step: { phase, step, steps, t, ...(preview && { preview }) } }, preview ? buffersOf(preview) : []);
    },
  });

  /** Frees the model, and waits until its device is gone: Node's process does not survive a worker that ends before. */
  const free = async (): Promise<void> => {
    const freed = model;
    model = undefined;
    freed?.dispose();
    await freed?.device.gpu.lost;
  };

  const pixels = async (id: number, result: Result): Promise<void> => {
    try {
      const pictures = await result.toPixels();
      reply({ id, result: pictures }, buffersOf(pictures));
    } finally {
      result.dispose();
    }
  };

  const answer = async (request: Extract<Request, { call: string }>, signal: AbortSignal): Promise<void> => {
    const { id, call, args, previewEvery } = request;
    signal.throwIfAborted();
    const run = runOptions(id, signal, previewEvery);
    switch (call) {
      case "load": {
        const [source, options] = args as [string | Blob | Uint8Array | undefined, LoadOptions];
        const next = await load(source, { ...options, signal });
        model?.dispose();
        model = next;
        const { name, hash, resolution } = next;
        return reply({ id, result: { name, hash, resolution } satisfies ModelInfo });
      }
      case "inject":
        return pixels(id, await loaded().inject({ ...(args[0] as InjectOptions), ...run }));
      case "sample":
        return pixels(id, await loaded().sample({ ...(args[0] as SampleOptions), ...run }));
      case "reconstruct": {
        const [pictures, options] = args as [ImageInput | readonly ImageInput[], ReconstructOptions];
        const { steps, solver } = options;
        const asked = { ...(steps && { steps }), ...(solver && { solver }) };
        const inversion = await loaded().invert(pictures, { ...asked, ...run });
        try {
          return await pixels(id, await loaded().reconstruct(inversion, { ...options, ...run }));
        } finally {
          inversion.dispose();
        }
      }
      case "dispose":
        await free();
        return reply({ id, result: undefined });
      default:
        throw new UserError(`${call satisfies never}: is no call of a worker`);
    }
  };

  listen(line, (data) => {
    const request = data as Request;
    if ("close" in request) return;
    if ("abort" in request) return running.get(request.id)?.abort();
    const controller = new AbortController();
    running.set(request.id, controller);
    queue = queue
      .then(() => answer(request, controller.signal))
      .catch((error: Error) => reply({ id: request.id, error: { name: error.name, message: error.message } }))
      .finally(() => running.delete(request.id));
  });

  return async () => {
    for (const controller of running.values()) controller.abort();
    await queue;
    await free();
  };
}
