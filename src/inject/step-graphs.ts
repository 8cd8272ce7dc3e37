import { f32Input, type GraphInput, instance, spliceAfter } from "../graph/graph";
import type { UNet } from "../model/unet";
import type { StepGraph, StepNode, StepOp } from "./ops";
import type { Move } from "./plan";

/** Tensor of the step before that a step reads: its prediction, in "x0_before" (DPM-Solver++), or its x, in "x_back" (BDIA). */
export type Memory = "prediction" | "path";

/** How one run edits the network. */
export interface InjectionSpec {
  /** tensor after which contents are mixed in; default: the bottleneck h */
  readonly tap?: string;
  /** contents mixed in one after another; those with a mask act inside it only */
  readonly contents: readonly { readonly masked: boolean }[];
  /** shader with a mixing rule of its own; default: the rule of the step row */
  readonly mixShader?: string;
  /** parts of the picture with an omega of their own; none: the row's everywhere */
  readonly omegaRegions?: number;
  /** take the noise of eta > 0 from the tensor "noise" instead of the generator (to reproduce recorded runs) */
  readonly givenNoise?: boolean;
  /** default: nothing */
  readonly memory?: Memory | undefined;
}

/** Tensors by which a run feeds and reads the step graphs. */
export const TENSOR = {
  next: "x_next",
  x0: "x0",
  /** predicted x0 of the step before, for multistep solvers */
  before: "x0_before",
  /** x of the step before; by how far a step back misses it; and x as the edit would have had it */
  back: "x_back",
  rest: "x_rest",
  moved: "x_moved",
  /** noisy picture at the row's time step, of edit-friendly inversion */
  drawn: "x_t",
  noise: "noise",
  flag: "non_finite",
  content: (k: number) => `content.${k}`,
  mask: (k: number) => `mask.${k}`,
  omegaMasks: "omega.masks",
  omegas: "omega.values",
} as const;

/** Moves after every step of a run whose steps read something of the step before. */
export const carried = (memory: Memory | undefined): Move[] => {
  if (!memory) return [];
  return [memory === "path" ? { from: TENSOR.moved, to: TENSOR.back } : { from: TENSOR.x0, to: TENSOR.before }];
};

/** x -> x_next by one step of the solver. Used by inversion, and by generation where nothing is injected.
 *  Song et al. 2021; Lu et al. 2022 */
export function plainStep(net: UNet, options: StepOptions & { keep?: readonly string[] } = {}): StepGraph {
  const { keep = [], ...more } = options;
  return withUpdate(net.graph, net.graph.nodes, { x: "x", eps: net.eps, asymmetric: false, ...more }, keep);
}

/** One step of edit-friendly inversion: the pictures with noise of their own at the row's time step, their evaluation, and
 *  the noise z of a DDPM step that leads from there to "x", which is noise of the time step below.
 *  Huberman-Spiegelglas et al. 2024, algorithm 1 */
export function editFriendlyStep(net: UNet, keep: readonly string[]): StepGraph {
  const { x } = net.graph.inputs;
  const drawn = TENSOR.drawn;
  const graph = { ...net.graph, inputs: { ...net.graph.inputs, images: x! } };
  const nodes: StepNode[] = [
    { name: "drawn", op: { kind: "gaussian" }, inputs: { steps: "steps", like: "images" }, output: "drawn" },
    { name: drawn, op: { kind: "diffuse" }, inputs: { steps: "steps", x: "images", z: "drawn" }, output: drawn },
    ...instance<StepOp>(net.graph.nodes, "", { x: drawn }),
  ];
  const update = { x: drawn, eps: net.eps, asymmetric: false, before: "x" };
  return withUpdate(graph, nodes, update, [drawn, ...keep]);
}

type StepOptions = Pick<InjectionSpec, "givenNoise" | "memory">;

/** One injected step: h~ is mixed at the tap and everything behind it runs on [h; h~] as a batch of two, over the same
 *  skips; P comes from e~, the direction from e.   Kwon et al. 2023, eq. 5
 *  For DPM-Solver++(2M) that settles which of its forms is used. With D in place of P, and K and r as in step-table.ts,
 *  x_next = sqrt(a_next) P + sqrt(1 - a_next) e + K (P - P_last) is the solver's own step, with the noise written out: every
 *  P in it, the kept one too, is an edited prediction, and e alone is plain. In the usual form, with x where e stands here,
 *  the edit would enter with the small weight 1 - e^-h only, as if both P and the direction were edited. Between an edited
 *  step and a plain one P - P_last would hold the edit itself, so that the first step after either is of first order. At
 *  gamma 0 every step is the plain solver's, to the bit. */
export function injectedStep(net: UNet, spec: InjectionSpec, shapes: TapShape): StepGraph {
  const edited = inject(net, spec, shapes);
  const { givenNoise, memory } = spec;
  const update = { x: "x", eps: net.eps, asymmetric: true, givenNoise, memory };
  return withUpdate(edited, edited.nodes, update);
}

/** One injected step with latent calibration: x is moved so that a plain evaluation there gives the injected P~ at the
 *  scale of P, then an ordinary DDIM step is made from the moved x.   Jeong et al. 2023, section 3.4 */
export function calibratedStep(net: UNet, spec: InjectionSpec, shapes: TapShape): StepGraph {
  const edited = inject(net, spec, shapes);
  const steps = "steps";
  const { omegaRegions = 0, givenNoise, memory } = spec;
  const regions: Record<string, string> = omegaRegions > 0 ? { masks: TENSOR.omegaMasks, omegas: TENSOR.omegas } : {};
  const p = "calibration/p";
  const moved = memory === "path" ? TENSOR.moved : "calibration/x";
  const nodes: StepNode[] = [
    ...edited.nodes,
    { name: p, op: { kind: "predictX0" }, inputs: { steps, x: "x", eps: net.eps }, output: p },
    { name: "calibration/moments", op: { kind: "moments" }, inputs: { x: p }, output: "calibration/moments" },
    {
      name: moved,
      op: { kind: "calibrate" },
      inputs: { steps, x: "x", eps: net.eps, p, moments: "calibration/moments", ...regions },
      output: moved,
    },
    ...instance(net.graph.nodes, "calibrated/", { x: moved }),
  ];
  const eps = `calibrated/${net.eps}`;
  const plain = { x: "x", eps: net.eps, asymmetric: true };
  const update = { x: moved, eps, asymmetric: false, plain, givenNoise, memory };
  const [, , ...side] = edited.inputs.x!.shape;
  const inputs: Record<string, GraphInput> =
    omegaRegions > 0
      ? { [TENSOR.omegaMasks]: f32Input(omegaRegions, ...side), [TENSOR.omegas]: f32Input(omegaRegions) }
      : {};
  return withUpdate({ ...edited, inputs: { ...edited.inputs, ...inputs } }, nodes, update);
}

/** [C, H, W] of the tensor at the tap. */
export type TapShape = readonly [number, number, number];

function inject(
  net: UNet,
  { tap = net.h, contents, mixShader: shader }: InjectionSpec,
  [c, height, width]: TapShape,
): StepGraph {
  const batch = net.graph.inputs.x!.shape[0]!;
  const mixes = contents.map(({ masked }, slot): StepNode => {
    const h = slot === 0 ? tap : `${tap}/mix.${slot - 1}`;
    const name = `${tap}/mix.${slot}`;
    const mask: Record<string, string> = masked ? { mask: TENSOR.mask(slot) } : {};
    const inputs = { steps: "steps", h, content: TENSOR.content(slot), ...mask };
    return { name, op: { kind: "mix", slot, ...(shader && { shader }) }, inputs, output: name };
  });
  const both = `${tap}/both`;
  const stack: StepNode = {
    name: both,
    op: { kind: "stack" },
    inputs: { a: tap, b: mixes.at(-1)!.output },
    output: both,
  };
  const inputs: Record<string, GraphInput> = { ...net.graph.inputs };
  contents.forEach(({ masked }, slot) => {
    inputs[TENSOR.content(slot)] = f32Input(batch, c, height, width);
    if (masked) inputs[TENSOR.mask(slot)] = f32Input(1, height, width); // every sample reads it
  });
  return { ...spliceAfter<StepOp>(net.graph, tap, [...mixes, stack], both), inputs };
}

/** A picture and its evaluation. */
interface Evaluated {
  readonly x: string;
  readonly eps: string;
  /** whether `eps` is (e; e~) */
  readonly asymmetric: boolean;
}

interface Update extends Evaluated, StepOptions {
  /** what the step came from, where calibration has moved it since */
  readonly plain?: Evaluated;
  /** tensor by the factor BEFORE; default: that of the memory */
  readonly before?: string | undefined;
}

/** Tensor of the step before by the factor BEFORE. */
const read = { prediction: TENSOR.before, path: TENSOR.rest } as const;

/** Ends a step graph with the solver's update and the check for values that are not finite. */
function withUpdate(graph: StepGraph, nodes: readonly StepNode[], update: Update, keep: readonly string[] = []) {
  const { x, eps, asymmetric, plain = update, givenNoise, memory, before = memory && read[memory] } = update;
  const retrace: StepNode = {
    name: "retrace",
    op: { kind: "retrace", asymmetric: plain.asymmetric },
    inputs: { steps: "steps", x: plain.x, eps: plain.eps, before: TENSOR.back },
    output: TENSOR.rest,
    ...(plain === update && { sideOutputs: { moved: TENSOR.moved } }),
  };
  const given = { ...(givenNoise && { noise: TENSOR.noise }), ...(before && { before }) };
  const ddim: StepNode = {
    name: "ddim",
    op: { kind: "ddim", asymmetric },
    inputs: { steps: "steps", x, eps, ...given },
    output: TENSOR.next,
    sideOutputs: { x0: TENSOR.x0 },
  };
  const check: StepNode = {
    name: "non_finite",
    op: { kind: "nonFinite" },
    inputs: { x: TENSOR.next, steps: "steps" },
    output: TENSOR.flag,
  };
  const path = memory === "path";
  const fed = Object.values(given).map((name) => [name === TENSOR.rest ? TENSOR.back : name, graph.inputs.x!]);
  return {
    inputs: { ...graph.inputs, ...Object.fromEntries(fed) },
    nodes: [...nodes, ...(path ? [retrace] : []), ddim, check],
    outputs: [TENSOR.next, TENSOR.x0, TENSOR.flag, ...(path ? [TENSOR.rest, TENSOR.moved] : []), ...keep],
  } satisfies StepGraph;
}
