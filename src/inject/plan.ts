import type { RunSnapshot } from "../api";
import { sha256 } from "../model/checkpoint/sha256";
import type { Schedule } from "../model/schedule";
import type { StepGraph } from "./ops";
import type { Step } from "./step-table";

/** Copies tensor `from` to `to`, whole, or `samples` of it in order. */
export interface Move {
  readonly from: string;
  readonly to: string;
  readonly samples?: readonly number[];
}

/** One step of a run: moves, a graph at a row of the step table, moves. */
export interface PlannedStep {
  readonly graph: string;
  /** time step, for progress and errors */
  readonly t: number;
  /** the row of the step table: one entry a sample */
  readonly samples: readonly Step[];
  readonly before: readonly Move[];
  readonly after: readonly Move[];
}

type Shapes = Readonly<Record<string, readonly number[]>>;

/** A whole run as data: names, not buffers, so that it prints, diffs and is tested without a GPU. `execute` runs it.
 *  Tensors are named once for the whole run: `given`, `kept`, and the inputs and outputs of the graphs, which equal names
 *  share. A given or kept tensor with the name of a graph input is that input. All are f32. */
export interface RunPlan {
  readonly phase: RunSnapshot["phase"];
  /** hash of the network's weights */
  readonly model: string;
  readonly schedule: Schedule;
  /** arithmetic of the noise schedule: f32 is the official program's */
  readonly precision: "f32" | "f64";
  readonly graphs: Readonly<Record<string, StepGraph>>;
  /** class of each sample, for class-conditional networks */
  readonly labels?: readonly number[];
  readonly steps: readonly PlannedStep[];
  /** tensors that have their values before the first step */
  readonly given: Shapes;
  /** tensors that outlive the run */
  readonly kept: Shapes;
  /** tensors that one step leaves to the next: what a snapshot saves at every turn. They start as zeros. */
  readonly state: readonly string[];
}

/** The plan as text, complete: plans that print alike run alike. */
export function printPlan(plan: RunPlan): string {
  const { phase, model, schedule, precision, graphs, labels, steps, given, kept, state } = plan;
  const shapes = (kind: string, all: Shapes) =>
    Object.entries(all).map(([name, shape]) => `${kind} ${name} [${shape.join(", ")}]`);
  return [
    `${phase}: ${steps.length} steps, schedule ${JSON.stringify(schedule)} in ${precision}, model ${model}`,
    ...Object.entries(graphs).map(([name, graph]) => `graph ${name}: ${graph.nodes.length} nodes, ${digest(graph)}`),
    ...(labels ? [`labels ${labels.join(", ")}`] : []),
    ...shapes("given", given),
    ...shapes("kept", kept),
    `state ${state.join(", ")}`,
    ...steps.flatMap(({ graph, t, samples, before, after }, k) => [
      `step ${k + 1}: ${graph}, t ${t}`,
      ...before.map((move) => `  before: ${printMove(move)}`),
      ...samples.map((step, n) => `  sample ${n}: ${printStep(step)}`),
      ...after.map((move) => `  after: ${printMove(move)}`),
    ]),
  ].join("\n");
}

const printMove = ({ from, to, samples }: Move): string =>
  `${from}${samples ? `[${samples.join(", ")}]` : ""} -> ${to}`;

const printStep = (step: Step): string =>
  Object.entries(step)
    .filter(([, value]) => value !== undefined)
    .map(([name, value]) => `${name} ${Array.isArray(value) ? value.join("/") : value}`)
    .join(", ");

function digest(graph: StepGraph): string {
  const hash = sha256();
  hash.update(new TextEncoder().encode(JSON.stringify(graph)));
  return hash.digest().slice(0, 16);
}

/** Which run this is: plans that run alike have the same key. */
export function runKey(plan: RunPlan): string {
  const hash = sha256();
  hash.update(new TextEncoder().encode(printPlan(plan)));
  return hash.digest();
}

/** Samples of a run: every row of its step table has as many entries. */
export const batchOf = (plan: RunPlan): number => plan.steps[0]!.samples.length;

/** The graph that has this tensor as an input or output. */
export const graphWith = (plan: RunPlan, tensor: string): string | undefined =>
  Object.keys(plan.graphs).find((name) => {
    const { inputs, outputs } = plan.graphs[name]!;
    return Object.hasOwn(inputs, tensor) || outputs.includes(tensor);
  });

/** Kept tensors that a step has written for good. */
export const keptBy = (plan: RunPlan, { after }: PlannedStep): string[] =>
  after.map(({ to }) => to).filter((to) => Object.hasOwn(plan.kept, to) && !plan.state.includes(to));

/** @throws Error for a plan that names a graph or tensor it does not have */
export function checkPlan(plan: RunPlan): void {
  const batch = plan.steps[0]?.samples.length;
  if (!batch) throw new Error("a run plan has no steps, or no samples");
  const check = (tensor: string, where: string) => {
    if (!Object.hasOwn(plan.given, tensor) && !Object.hasOwn(plan.kept, tensor) && !graphWith(plan, tensor))
      throw new Error(`${where}: the plan has no tensor "${tensor}"`);
  };
  for (const tensor of plan.state) check(tensor, "state");
  plan.steps.forEach(({ graph, samples, before, after }, k) => {
    const where = `step ${k + 1} of the plan`;
    if (!Object.hasOwn(plan.graphs, graph)) throw new Error(`${where}: there is no graph "${graph}"`);
    if (samples.length !== batch) throw new Error(`${where}: ${samples.length} samples, expected ${batch}`);
    for (const { from, to } of [...before, ...after]) {
      check(from, where);
      check(to, where);
      if (Object.hasOwn(plan.given, to)) throw new Error(`${where}: "${to}" is given and cannot be written`);
    }
  });
}
