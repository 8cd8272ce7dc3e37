import { planOf } from "../graph/compiled";
import { dispatchesOf } from "../graph/lower";
import type { Model } from "../inject/model";
import { stepOps } from "../inject/ops";
import { calibratedStep, injectedStep, plainStep } from "../inject/step-graphs";
import { byteLength } from "../kernels/dispatch";
import { hShape } from "../model/config";

export const STEP_NAMES = ["plain", "injected", "calibrated"] as const;
export type StepName = (typeof STEP_NAMES)[number];

/** A step graph as it would run: nodes in order, where each output lives, and what it all costs. */
export interface GraphReport {
  readonly step: StepName;
  readonly batch: number;
  readonly nodes: readonly NodeReport[];
  /** bytes of each slot */
  readonly slots: readonly number[];
  readonly totals: {
    readonly slotBytes: number;
    readonly lowerBound: number;
    readonly dispatches: number;
    readonly macs: number;
  };
}

export interface NodeReport {
  readonly name: string;
  readonly kind: string;
  readonly shape: readonly number[];
  /** number of the slot and offset in it, or "own" for a tensor with a buffer of its own */
  readonly slot: number | "own";
  readonly offset: number;
  readonly bytes: number;
  readonly macs: number;
}

/** Plans a step of this model; nothing is allocated. */
export function graphReport(model: Model, step: StepName, batch: number): GraphReport {
  const net = model.network.unet(batch);
  const spec = { contents: [{ masked: false }] };
  const shape = hShape(model.config);
  const graph = {
    plain: () => plainStep(net),
    injected: () => injectedStep(net, spec, shape),
    calibrated: () => calibratedStep(net, spec, shape),
  }[step]();
  const lowered = model.network.lower(graph, stepOps);
  const plan = planOf(lowered);
  const nodes = lowered.nodes.map(
    ({ name, kind, output, macs }): NodeReport => ({
      name,
      kind,
      shape: output.shape,
      slot: plan.places.get(output.name)?.slot ?? "own",
      offset: plan.places.get(output.name)?.offset ?? 0,
      bytes: byteLength(output),
      macs,
    }),
  );
  const totals = {
    slotBytes: plan.bytes,
    lowerBound: plan.lowerBound,
    dispatches: dispatchesOf(lowered).length,
    macs: nodes.reduce((sum, node) => sum + node.macs, 0),
  };
  return { step, batch, nodes, slots: plan.slotBytes, totals };
}
