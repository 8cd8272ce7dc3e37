import type { ImageInput, InvertOptions, Pixels, RunOptions } from "../../src/api";
import type { Context } from "../../src/cli/context";
import type { Engine } from "../../src/cli/engine";
import type { Device } from "../../src/gpu/device";
import type { Inversion } from "../../src/inject/inversion";
import type { Model } from "../../src/inject/model";
import type { ContentInput, InjectOptions, SampleOptions } from "../../src/inject/options";
import { presets, resolveParameters } from "../../src/inject/parameters";
import type { Result } from "../../src/inject/result";

/** A stand-in for the library: runs at once, on nothing, and notes every call. */
export function fakeEngine(overrides: Partial<Model> = {}) {
  const calls: { name: string; arguments: unknown[] }[] = [];
  const note =
    <A extends unknown[], R>(name: string, then: (...given: A) => R) =>
    (...given: A): R => {
      calls.push({ name, arguments: given });
      return then(...given);
    };
  const device = {
    description: "fake adapter",
    adapterClass: "software",
    info: { vendor: "fake", architecture: "", device: "", description: "" },
    gpu: { limits: { maxBufferSize: 2 ** 28 }, lost: Promise.resolve() },
    destroy: note("destroy device", () => {}),
  } as unknown as Device;
  const model = {
    name: "fake",
    device,
    hash: "00",
    resolution: 16,
    pictureShape: { channels: 3, height: 16, width: 16 },
    hShape: [8, 2, 2],
    invert: note("invert", async (image: ImageInput | readonly ImageInput[], options?: InvertOptions) => {
      await tell(options, "invert");
      return inversion(Array.isArray(image) ? image.length : 1, options?.steps);
    }),
    loadInversion: note("loadInversion", async () => inversion(1)),
    inject: note("inject", async (run: InjectOptions) => {
      await tell(run, "generate");
      const all = [run.original, run.content, ...(run.contents ?? []).map((c) => (c as ContentInput).inversion)];
      const pairs = Math.max(...all.map((inverted) => (inverted as Inversion | undefined)?.count ?? 1));
      return result(pairs * (run.variants?.length ?? 1));
    }),
    reconstruct: note("reconstruct", async (of: Inversion, options?: RunOptions) => {
      await tell(options, "generate");
      return result(of.count);
    }),
    sample: note("sample", async (run: SampleOptions) => {
      await tell(run, "generate");
      return result(run.count ?? 1);
    }),
    dispose: note("dispose model", () => {}),
    ...overrides,
  } as unknown as Model;
  const engine: Engine = {
    openDevice: note("openDevice", async () => device),
    loadModel: note("loadModel", async () => model),
    presets,
    resolveParameters,
  };
  return { engine, model, calls, of: (name: string) => calls.filter((call) => call.name === name) };
}

async function tell({ onStep, signal }: RunOptions = {}, phase: "invert" | "generate"): Promise<void> {
  for (let step = 1; step <= 3; step++) {
    signal?.throwIfAborted();
    await onStep?.({ phase, step, steps: 3, t: 0, preview: async () => [] });
    await new Promise((resolve) => setImmediate(resolve));
  }
}

const grey = (value: number): Pixels => ({ data: new Uint8Array(16 * 16 * 4).fill(value), width: 16, height: 16 });
const greys = (count: number, from: number) => Array.from({ length: count }, (_, i) => grey(from + i));

const inversion = (count: number, steps = 50): Inversion =>
  ({
    count,
    info: { steps, picture: { channels: 3, height: 16, width: 16 } },
    readXT: async () => new Float32Array(0),
    readImages: async () => new Float32Array(3 * 256),
    select: (...indices: number[]) => inversion(indices.length, steps),
    toPixels: async () => greys(count, 100),
    save: async () => Buffer.concat([Uint8Array.of(8, 0, 0, 0, 0, 0, 0, 0), Buffer.from("{}      ")]),
    dispose: () => {},
  }) as unknown as Inversion;

const result = (count: number): Result =>
  ({
    count,
    toPixels: async () => greys(count, 120),
    read: async () => new Float32Array(count * 3 * 256).fill(0.01),
    dispose: () => {},
  }) as unknown as Result;

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
