import { DeviceLostError, UserError } from "../errors";
import type { Access, Dispatch } from "../kernels/dispatch";
import { elementwise } from "../wgsl/elementwise";
import { inHalves } from "../wgsl/halves";
import { ownShaders, shaders } from "../wgsl/shaders";
import { specialise, uniformsOf } from "../wgsl/specialise";
import { destroyAtExit } from "./at-exit";
import { ErrorScope } from "./error-scope";
import { USAGE } from "./usage";

export interface Pipeline {
  readonly pipeline: GPUComputePipeline;
  readonly layout: GPUBindGroupLayout;
}

/** A dispatch ready to encode: give it the buffers of its bindings, in order. */
export interface Prepared {
  readonly pipeline: GPUComputePipeline;
  bind(buffers: readonly GPUBufferBinding[]): GPUBindGroup;
}

const sourceOf = (d: Dispatch): string => {
  const source = (shaders as Record<string, string>)[d.shader] ?? ownShaders.get(d.shader);
  if (!source) throw new Error(`${d.label}: there is no shader "${d.shader}"`);
  return source;
};

// Whose Tint copies arrays at once.
const inNode = typeof process !== "undefined" && process.versions?.node !== undefined;

const uniforms = new Map<string, ReturnType<typeof uniformsOf>>();

/** Names of the uniforms of a dispatch's shader, with defaults. */
function uniformNames(d: Dispatch): ReturnType<typeof uniformsOf> {
  let names = uniforms.get(d.shader);
  if (!names) uniforms.set(d.shader, (names = uniformsOf(sourceOf(d))));
  return names;
}

/** Bindings whose tensors are f16. */
const halvesOf = ({ bindings }: Pick<Dispatch, "bindings">): number[] =>
  bindings.flatMap(({ tensor }, i) => (tensor.dtype === "f16" ? [i] : []));

/** Identifies a pipeline: by shader, constants other than uniforms, and the layout and type of each binding. */
export function pipelineKey(d: Dispatch): string {
  const names = uniformNames(d);
  const constants = Object.entries(d.constants).filter(([name]) => !names.has(name));
  return JSON.stringify([
    d.shader,
    constants.sort(),
    d.bindings.map(({ access }) => bindingType[access]),
    ...halvesOf(d),
  ]);
}

const bindingType: Record<Access, GPUBufferBindingLayout> = {
  read: { type: "read-only-storage" },
  write: { type: "storage" },
  update: { type: "storage" },
  step: { type: "read-only-storage", hasDynamicOffset: true },
};

/** Says where a caller's own rule does not compile, by the lines of its own text.
 *  @param source the text with the rule, and `code` what was compiled of it, behind lines that were added at the top */
function ownRuleError(
  source: string,
  code: string,
  messages: readonly GPUCompilationMessage[],
  error: Error,
): UserError {
  const lineOf = (text: string) => text.slice(0, text.indexOf("mix_rule")).split("\n").length;
  const first = messages.find(({ type }) => type === "error");
  const line = first && first.lineNum - lineOf(code) + lineOf(source);
  const why = first ? `line ${line}: ${first.message}` : error.message;
  return new UserError(`rule: the WGSL does not compile (${why.split("\n")[0]})`);
}

/** The compute pipelines of one device. Compilation is asynchronous and shared by concurrent callers. */
export class PipelineCache {
  readonly #pipelines = new Map<string, Promise<Pipeline>>();
  readonly #uniforms = new Map<string, GPUBuffer>();
  readonly #compiling = new Set<Promise<unknown>>();

  /** @param wait how to wait for the GPU: `Device.wait` */
  constructor(
    readonly device: GPUDevice,
    readonly wait: <T>(promise: Promise<T>) => Promise<T> = (promise) => promise,
  ) {}

  /** Distinct pipelines compiled so far. */
  get size(): number {
    return this.#pipelines.size;
  }

  /** Whether the dispatch's pipeline was compiled already, or is being compiled. */
  has(dispatch: Dispatch): boolean {
    return this.#pipelines.has(pipelineKey(dispatch));
  }

  /** The dispatch's pipeline, compiled or shared, and a way to bind it. */
  async get(dispatch: Dispatch): Promise<Prepared> {
    const { pipeline, layout } = await this.#pipeline(dispatch);
    const errors = new ErrorScope(this.device, dispatch.label);
    const uniform = errors.run(() => this.#uniform(dispatch));
    const bind = (buffers: readonly GPUBufferBinding[]) =>
      this.device.createBindGroup({
        label: dispatch.label,
        layout,
        entries: [...buffers, ...(uniform ? [{ buffer: uniform }] : [])].map((resource, binding) => ({
          binding,
          resource,
        })),
      });
    await errors.settled();
    return { pipeline, bind };
  }

  /** Resolves when nothing is being compiled; undefined when nothing is. */
  get idle(): Promise<unknown> | undefined {
    return this.#compiling.size > 0 ? Promise.all(this.#compiling) : undefined;
  }

  /** Frees the uniforms. */
  destroy(): void {
    for (const buffer of this.#uniforms.values()) buffer.destroy();
    this.#uniforms.clear();
    this.#pipelines.clear();
  }

  #pipeline(dispatch: Dispatch): Promise<Pipeline> {
    const key = pipelineKey(dispatch);
    let found = this.#pipelines.get(key);
    if (!found) {
      found = this.#compile(dispatch);
      this.#pipelines.set(key, found);
      found.catch(() => this.#pipelines.delete(key));
    }
    return found;
  }

  /** Buffer of a dispatch's uniforms; equal values share one. */
  #uniform(dispatch: Dispatch): GPUBuffer | undefined {
    const names = [...uniformNames(dispatch)];
    if (names.length === 0) return undefined;
    const values = names.map(([name, otherwise]) => {
      const value = dispatch.constants[name] ?? otherwise;
      if (typeof value !== "number")
        throw new Error(`${dispatch.label}: ${dispatch.shader}.wgsl needs a value for the uniform ${name}`);
      return value;
    });
    const key = `${values}`;
    let buffer = this.#uniforms.get(key);
    if (!buffer) {
      const size = Math.ceil(values.length / 4) * 16;
      buffer = this.device.createBuffer({ label: "uniforms", size, usage: USAGE.UNIFORM | USAGE.COPY_DST });
      this.device.queue.writeBuffer(buffer, 0, Uint32Array.from(values));
      this.#uniforms.set(key, buffer);
    }
    return buffer;
  }

  async #compile({ label, ...dispatch }: Dispatch): Promise<Pipeline> {
    const { shader, constants, bindings } = dispatch;
    const source = sourceOf({ label, ...dispatch });
    const typed = inHalves(source, halvesOf(dispatch), constants);
    const { code, overrides } = specialise(shader, inNode ? typed : elementwise(typed), constants);
    const uniform: GPUBufferBindingLayout[] =
      uniformNames({ label, ...dispatch }).size > 0 ? [{ type: "uniform" }] : [];
    // The promise of the pipeline reports every error below; the scope keeps them from being reported twice.
    const { module, layout, compiling } = new ErrorScope(this.device, label).run(() => {
      const module = this.device.createShaderModule({ label: `shaders/${shader}.wgsl`, code });
      const layout = this.device.createBindGroupLayout({
        label: shader,
        entries: [...bindings.map(({ access }) => bindingType[access]), ...uniform].map((buffer, binding) => ({
          binding,
          visibility: 4 /* GPUShaderStage.COMPUTE */,
          buffer,
        })),
      });
      const compiling = this.device.createComputePipelineAsync({
        label: shader,
        layout: this.device.createPipelineLayout({ label: shader, bindGroupLayouts: [layout] }),
        compute: { module, entryPoint: "main", constants: { ...overrides } },
      });
      return { module, layout, compiling };
    });
    const atRest = destroyAtExit(this.device);
    const ended: Promise<unknown> = compiling
      .catch(() => {})
      .finally(() => {
        atRest();
        this.#compiling.delete(ended);
      });
    this.#compiling.add(ended);
    try {
      return { pipeline: await this.wait(compiling), layout };
    } catch (error) {
      if (error instanceof DeviceLostError) throw error;
      const { messages } = await module.getCompilationInfo();
      if (ownShaders.has(shader)) throw ownRuleError(source, code, messages, error as Error);
      const lines = messages.map((m) => `shaders/${shader}.wgsl:${m.lineNum}:${m.linePos} ${m.type}: ${m.message}`);
      throw new Error([`${label}: ${shader}.wgsl does not compile (${(error as Error).message})`, ...lines].join("\n"));
    }
  }
}
