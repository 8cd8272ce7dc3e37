import type { Access, Dispatch } from "../kernels/dispatch";
import { shaders } from "../kernels/shaders";
import { specialise } from "../kernels/specialise";

export interface Pipeline {
  readonly pipeline: GPUComputePipeline;
  readonly layout: GPUBindGroupLayout;
}

/** Two dispatches with the same key share a pipeline: shader, constants, and how each binding is accessed. */
export const pipelineKey = (d: Dispatch): string =>
  JSON.stringify([d.shader, Object.entries(d.constants).sort(), d.bindings.map((b) => b.access)]);

const bindingType: Record<Access, GPUBufferBindingLayout> = {
  read: { type: "read-only-storage" },
  write: { type: "storage" },
  update: { type: "storage" },
  step: { type: "read-only-storage", hasDynamicOffset: true },
};

/** The compute pipelines of one device. Compilation is asynchronous and shared by concurrent callers. */
export class PipelineCache {
  readonly #pipelines = new Map<string, Promise<Pipeline>>();

  constructor(readonly device: GPUDevice) {}

  /** Distinct pipelines compiled so far. */
  get size(): number {
    return this.#pipelines.size;
  }

  get(dispatch: Dispatch): Promise<Pipeline> {
    const key = pipelineKey(dispatch);
    let found = this.#pipelines.get(key);
    if (!found) {
      found = this.#compile(dispatch);
      this.#pipelines.set(key, found);
      found.catch(() => this.#pipelines.delete(key));
    }
    return found;
  }

  async #compile({ shader, constants, bindings, label }: Dispatch): Promise<Pipeline> {
    const source = (shaders as Record<string, string>)[shader];
    if (!source) throw new Error(`${label}: there is no shader "${shader}"`);
    const { code, overrides } = specialise(shader, source, constants);
    const module = this.device.createShaderModule({ label: `shaders/${shader}.wgsl`, code });
    const layout = this.device.createBindGroupLayout({
      label: shader,
      entries: bindings.map(({ access }, binding) => ({
        binding,
        visibility: 4 /* GPUShaderStage.COMPUTE */,
        buffer: bindingType[access],
      })),
    });
    try {
      const pipeline = await this.device.createComputePipelineAsync({
        label: shader,
        layout: this.device.createPipelineLayout({ label: shader, bindGroupLayouts: [layout] }),
        compute: { module, entryPoint: "main", constants: { ...overrides } },
      });
      return { pipeline, layout };
    } catch (error) {
      const { messages } = await module.getCompilationInfo();
      const lines = messages.map((m) => `shaders/${shader}.wgsl:${m.lineNum}:${m.linePos} ${m.type}: ${m.message}`);
      throw new Error([`${label}: ${shader}.wgsl does not compile (${(error as Error).message})`, ...lines].join("\n"));
    }
  }
}
