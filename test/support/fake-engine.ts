import type { ImageInput, Pixels, RunOptions } from "../../src/api";
import type { Context } from "../../src/cli/context";
import type { Engine, EngineDevice, EngineInversion, EngineModel, EngineResult, InjectRun } from "../../src/cli/engine";

/** A stand-in for the library: runs at once, on nothing, and notes every call. */
export function fakeEngine(overrides: Partial<EngineModel> = {}) {
  const calls: { name: string; arguments: unknown[] }[] = [];
  const note =
    <A extends unknown[], R>(name: string, then: (...given: A) => R) =>
    (...given: A): R => {
      calls.push({ name, arguments: given });
      return then(...given);
    };
  const inversion = (count: number): EngineInversion => ({
    count,
    select: () => inversion(1),
    save: async () => Uint8Array.of(1, 2, 3),
    dispose: note("dispose inversion", () => {}),
  });
  const model: EngineModel = {
    name: "fake",
    hash: "00",
    resolution: 8,
    invert: note("invert", async (image: ImageInput | readonly ImageInput[], options?: RunOptions) => {
      await tell(options, "invert");
      return inversion(Array.isArray(image) ? image.length : 1);
    }),
    loadInversion: note("loadInversion", async () => inversion(1)),
    inject: note("inject", async (run: InjectRun<EngineInversion>) => {
      await tell(run, "generate");
      const { original: _, content: __, contents: ___, mask: ____, signal: _____, onStep: ______, ...parameters } = run;
      return result(1, parameters);
    }),
    reconstruct: note("reconstruct", async (_: EngineInversion, options?: RunOptions) => {
      await tell(options, "generate");
      return result(1, {});
    }),
    sample: note("sample", async (run: { count?: number } & RunOptions) => {
      await tell(run, "generate");
      return result(run.count ?? 1, {});
    }),
    dispose: note("dispose model", () => {}),
    ...overrides,
  };
  const device = {
    description: "fake adapter",
    adapterClass: "software",
    info: { vendor: "fake", architecture: "", device: "", description: "" },
    destroy: note("destroy device", () => {}),
  } as unknown as EngineDevice;
  const engine: Engine = {
    openDevice: note("openDevice", async () => device),
    loadModel: note("loadModel", async () => model),
    presets: {
      paper: { stepsInversion: 1000, steps: 1000, gamma: 0.3, tEdit: 400, tBoost: 200, omega: 0.3 },
      quick: { stepsInversion: 4, steps: 5, gamma: 0.4, tEdit: 400, tBoost: 0, omega: "off", seed: 0 },
    },
  };
  return { engine, calls, of: (name: string) => calls.filter((call) => call.name === name) };
}

async function tell({ onStep, signal }: RunOptions = {}, phase: "invert" | "generate"): Promise<void> {
  for (let step = 1; step <= 3; step++) {
    signal?.throwIfAborted();
    await onStep?.({ phase, step, steps: 3, t: 0, preview: async () => [] });
    await new Promise((resolve) => setImmediate(resolve));
  }
}

const grey = (value: number): Pixels => ({ data: new Uint8Array(8 * 8 * 4).fill(value), width: 8, height: 8 });

const result = (count: number, parameters: object): EngineResult => ({
  count,
  parameters,
  toPixels: async (index) => grey(100 + index),
  dispose: () => {},
});

/** A context that collects what is written. */
export function fakeContext(engine: Engine, interruption = new AbortController()) {
  const written = { stdout: "", stderr: "" };
  const context: Context = {
    engine: async () => engine,
    terminal: {
      stdout: { write: (text: string) => (written.stdout += text) },
      stderr: { write: (text: string) => (written.stderr += text) },
    },
    signal: interruption.signal,
  };
  return { context, written, interruption };
}
