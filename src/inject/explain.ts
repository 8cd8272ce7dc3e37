import { NonFiniteError } from "../errors";
import { readBuffer } from "../gpu/buffers";
import { firstNonFiniteNode } from "../graph/profile";
import { ALL_FINITE } from "../kernels/pointwise/non-finite";
import type { OpenRun } from "./open-run";
import { graphWith } from "./plan";
import { TENSOR } from "./step-graphs";

const checks = ({ plan }: OpenRun): boolean => graphWith(plan, TENSOR.flag) !== undefined;

/** Resets the flag by which steps report values that are not finite. */
export function armCheck(run: OpenRun): void {
  if (checks(run)) run.device.gpu.queue.writeBuffer(run.buffer(TENSOR.flag), 0, new Uint32Array([ALL_FINITE]));
}

/** The first step that gave a value that is not finite. */
export async function failedStep(run: OpenRun): Promise<number | undefined> {
  if (!checks(run)) return undefined;
  const draw = new Uint32Array(await readBuffer(run.device, run.buffer(TENSOR.flag)))[0]!;
  if (draw === ALL_FINITE) return undefined;
  return run.plan.steps.findIndex(({ samples }) => samples[0]!.draw === draw);
}

/** Repeats a run up to the step that went wrong, takes that one node by node, and names the node.
 *  @param begin puts the state of step `first` back */
export async function explainFailure(
  run: OpenRun,
  at: number,
  first: number,
  begin: () => void,
): Promise<NonFiniteError> {
  const { device, plan } = run;
  const { queue } = device.gpu;
  begin();
  for (let k = first; k < at; k++) queue.submit([run.encode(k)]);
  queue.submit([run.encodeBefore(at)]);
  const step = plan.steps[at]!;
  const tensorAt = (name: string) => run.programs.rangeOf(step.graph, name);
  const node = await firstNonFiniteNode(device, run.recording(step), tensorAt, run.rowOffset(at));
  const where = node ? `node ${node}` : "a value that was there for one step only";
  return new NonFiniteError(
    `step ${step.samples[0]!.draw! + 1} of ${plan.phase === "invert" ? "the inversion" : "the generation"} (t = ${step.t}) gave a value that is not finite, from ${where}; check the model's weights, or use dtype f32 and activations f32`,
  );
}
