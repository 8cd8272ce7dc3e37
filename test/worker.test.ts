import { MessageChannel } from "node:worker_threads";
import { expect, test } from "vitest";
import type { Pixels, StepEvent } from "../src/api";
import { UserError } from "../src/errors";
import { connect } from "../src/worker/connect";
import type { Line } from "../src/worker/protocol";
import { type Load, serveOn } from "../src/worker/serve";
import { fakeEngine } from "./support/fake-engine";

/** Both ends of a line, with a stand-in for the library behind one of them. */
function engine(overrides: Parameters<typeof fakeEngine>[0] = {}) {
  const { engine, calls, of } = fakeEngine(overrides);
  const { port1, port2 } = new MessageChannel();
  const load: Load = async (source, options) => {
    if (source === "none") throw new UserError("none: no such model");
    return engine.loadModel(source, options);
  };
  serveOn(port1 as unknown as Line, load);
  return { worker: connect(port2 as unknown as Line), calls, of, close: () => port1.close() };
}
const grey: Pixels = { data: new Uint8Array(16 * 16 * 4).fill(9), width: 16, height: 16 };

test("load, inject with steps and previews, sample, reconstruct, dispose", async () => {
  const { worker, of, close } = engine();
  expect(await worker.load("portraits64")).toEqual({ name: "fake", hash: "00", resolution: 16 });
  const steps: (readonly [number, number | undefined])[] = [];
  const pictures = await worker.inject(
    { content: grey, original: grey, gamma: 0.4 },
    { previewEvery: 2, onStep: ({ step, preview }) => steps.push([step, preview?.length]) },
  );
  expect(pictures.map(({ width, data }) => [width, data.length])).toEqual([[16, 1024]]);
  expect(steps).toEqual([
    [1, undefined],
    [2, 0],
    [3, undefined],
  ]);
  expect(of("inject")[0]!.arguments[0]).toMatchObject({ gamma: 0.4 });
  expect(await worker.sample({ count: 3 })).toHaveLength(3);
  expect(await worker.reconstruct([grey, grey], { steps: 4 })).toHaveLength(2);
  await worker.dispose();
  expect(of("dispose model")).toHaveLength(1);
  await expect(worker.sample()).rejects.toThrow(/no model is loaded in the worker; call load\(\) first/);
  close();
});

test("errors keep their class; what cannot be sent is named", async () => {
  const { worker, close } = engine();
  await expect(worker.load("none")).rejects.toThrow(UserError);
  await worker.load();
  const options = { content: grey, original: () => grey } as unknown as Parameters<typeof worker.inject>[0];
  await expect(worker.inject(options)).rejects.toThrow(/inject: not everything given can be sent to a worker/);
  expect(await worker.sample({ count: 1 })).toHaveLength(1);
  close();
});

test("a signal ends the run in the worker, and the next call works", async () => {
  let seen: AbortSignal | undefined;
  const inject = async ({ onStep, signal }: { onStep?: (event: StepEvent) => unknown; signal?: AbortSignal }) => {
    seen = signal;
    for (let step = 1; ; step++) {
      signal?.throwIfAborted();
      await onStep?.({ phase: "generate", step, steps: 1000, t: 0, preview: async () => [] });
      await new Promise((resolve) => setTimeout(resolve, 1));
    }
  };
  const { worker, close } = engine({ inject } as Parameters<typeof fakeEngine>[0]);
  await worker.load();
  const controller = new AbortController();
  const run = worker.inject(
    { content: grey, original: grey },
    { signal: controller.signal, onStep: ({ step }) => step === 3 && controller.abort(new Error("enough")) },
  );
  await expect(run).rejects.toThrow("enough");
  expect(await worker.sample({ count: 2 })).toHaveLength(2);
  expect(seen?.aborted).toBe(true);
  close();
});
