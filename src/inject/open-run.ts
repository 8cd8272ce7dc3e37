import type { Device } from "../gpu/device";
import type { CompiledGraphs } from "../graph/compiled";
import { type Recording, replay } from "../graph/record";
import { batchOf, graphWith, type Move, type PlannedStep, type RunPlan } from "./plan";
import { rowStride } from "./step-table";

/** A compiled run, and its tensors by name. */
export class OpenRun {
  closed = false;

  constructor(
    readonly device: Device,
    readonly plan: RunPlan,
    readonly programs: CompiledGraphs,
    readonly bound: (name: string) => GPUBuffer | undefined,
  ) {}

  /** The buffer of a tensor of the plan. */
  buffer(name: string): GPUBuffer {
    const bound = this.bound(name);
    if (bound) return bound;
    const graph = graphWith(this.plan, name);
    if (!graph) throw new Error(`the plan has no tensor "${name}"`);
    return this.programs.bufferOf(graph, name);
  }

  /** Step k as a command buffer. @param extra further copies at its end */
  encode(k: number, extra: readonly Copy[] = []): GPUCommandBuffer {
    const step = this.plan.steps[k]!;
    const encoder = this.device.gpu.createCommandEncoder({ label: `${step.graph} t=${step.t}` });
    this.#copy(encoder, step.before);
    const pass = encoder.beginComputePass({ label: step.graph });
    replay(pass, this.recording(step).nodes, this.rowOffset(k));
    pass.end();
    this.#copy(encoder, step.after);
    for (const { from, to, toOffset, bytes } of extra) encoder.copyBufferToBuffer(from, 0, to, toOffset, bytes);
    return encoder.finish();
  }

  /** The moves before step k, as a command buffer of their own. */
  encodeBefore(k: number): GPUCommandBuffer {
    const encoder = this.device.gpu.createCommandEncoder();
    this.#copy(encoder, this.plan.steps[k]!.before);
    return encoder.finish();
  }

  recording({ graph }: PlannedStep): Recording {
    return this.programs.recordings[graph]!;
  }

  /** Bytes into the step table. */
  rowOffset(k: number): number {
    return k * rowStride(batchOf(this.plan));
  }

  close(): void {
    this.closed = true;
    this.programs.destroy();
  }

  #copy(encoder: GPUCommandEncoder, moves: readonly Move[]): void {
    for (const move of moves) {
      const [from, to] = [this.buffer(move.from), this.buffer(move.to)];
      if (!move.samples) {
        if (from.size !== to.size) throw new Error(`${move.from} has ${from.size} bytes, ${move.to} ${to.size}`);
        encoder.copyBufferToBuffer(from, 0, to, 0, to.size);
        continue;
      }
      const bytes = to.size / move.samples.length;
      move.samples.forEach((sample, n) => {
        encoder.copyBufferToBuffer(from, sample * bytes, to, n * bytes, bytes);
      });
    }
  }
}

/** A copy to a staging buffer. */
export interface Copy {
  readonly from: GPUBuffer;
  readonly to: GPUBuffer;
  readonly toOffset: number;
  readonly bytes: number;
}
