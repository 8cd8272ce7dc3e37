import type { Graph, Node } from "../graph/graph";
import type { Ops } from "../graph/lower";
import { f32, u32 } from "../kernels/dispatch";
import { nonFinite } from "../kernels/pointwise/non-finite";
import { stack } from "../kernels/pointwise/stack";
import { calibrate } from "../kernels/step/calibrate";
import { ddimStep } from "../kernels/step/ddim";
import { diffuse } from "../kernels/step/diffuse";
import { mix } from "../kernels/step/mix";
import { moments } from "../kernels/step/moments";
import { gaussian } from "../kernels/step/noise";
import { predictX0 } from "../kernels/step/predict-x0";
import { retrace } from "../kernels/step/retrace";
import { type NetworkOp, networkOps } from "../model/ops";

/** Operations of a diffusion step, around the network. `steps` is the step row of each sample. */
export type DiffusionOp =
  /** `a` and `b` on the batch axis: what follows runs on both, over the same skips */
  | { readonly kind: "stack" }
  /** `h` and `content` mixed by the rule and gamma of content `slot`, inside `mask` if given */
  | { readonly kind: "mix"; readonly slot: number; readonly shader?: string }
  /** P of `x` and `eps` */
  | { readonly kind: "predictX0" }
  /** mean and standard deviation of each sample of `x` */
  | { readonly kind: "moments" }
  /** `x` moved by latent calibration; omega of the row, or of `omegas` inside `masks` */
  | { readonly kind: "calibrate" }
  /** next x of `x` and `eps`, with `noise` if given, and `before`: what the last step left; side output `x0`: P
   *  asymmetric: `eps` is (e; e~), P comes from e~ and the direction from e */
  | { readonly kind: "ddim"; readonly asymmetric: boolean }
  /** by how far a DDIM step from `x` back misses `before`; side output `moved`: x with the edited P in place of the plain
   *  asymmetric: `eps` is (e; e~) */
  | { readonly kind: "retrace"; readonly asymmetric: boolean }
  /** picture `x` with the noise `z` of the row's time step */
  | { readonly kind: "diffuse" }
  /** standard normal noise, of the shape of `like` */
  | { readonly kind: "gaussian" }
  /** flag u32 [1]: the first step at which `x` was not finite */
  | { readonly kind: "nonFinite" };

/** Every operation of a step graph. */
export type StepOp = NetworkOp | DiffusionOp;
export type StepGraph = Graph<StepOp>;
export type StepNode = Node<StepOp>;

const diffusionOps: Ops<DiffusionOp> = {
  stack(_, io) {
    const [a, b] = [io.input("a"), io.input("b")];
    const y = io.output(a.shape[0]! + b.shape[0]!, ...a.shape.slice(1));
    return { dispatches: stack({ a, b, y }), output: y };
  },

  mix({ slot, shader }, io) {
    const h = io.input("h");
    const mask = io.optional("mask");
    const y = io.output(...h.shape);
    const tensors = { steps: io.input("steps"), h, content: io.input("content"), ...(mask && { mask }), y };
    return { dispatches: mix(tensors, { slot, ...(shader && { shader }) }), output: y };
  },

  predictX0(_, io) {
    const x = io.input("x");
    const eps = io.input("eps");
    const y = f32(io.name, eps.shape[0]!, ...x.shape.slice(1));
    return { dispatches: predictX0({ steps: io.input("steps"), x, eps, y }), output: y };
  },

  moments(_, io) {
    const x = io.input("x");
    const y = f32(io.name, x.shape[0]!, 2);
    return { dispatches: moments({ x, y }), output: y };
  },

  calibrate(_, io) {
    const x = io.input("x");
    const masks = io.optional("masks");
    const tensors = {
      steps: io.input("steps"),
      x,
      eps: io.input("eps"),
      p: io.input("p"),
      moments: io.input("moments"),
      ...(masks && { regions: { masks, omegas: io.input("omegas") } }),
      y: f32(io.name, ...x.shape),
    };
    return { dispatches: calibrate(tensors), output: tensors.y };
  },

  ddim({ asymmetric }, io) {
    const x = io.input("x");
    const [noise, before] = [io.optional("noise"), io.optional("before")];
    const next = f32(io.name, ...x.shape);
    const x0 = f32(io.sideOutput("x0") ?? `${io.name}/x0`, ...x.shape);
    const given = { ...(noise && { noise }), ...(before && { before }) };
    const tensors = { steps: io.input("steps"), x, eps: io.input("eps"), ...given, next, x0 };
    return { dispatches: ddimStep(tensors, { asymmetric }), output: next, sideOutputs: { x0 } };
  },

  retrace({ asymmetric }, io) {
    const x = io.input("x");
    const rest = f32(io.name, ...x.shape);
    const moved = f32(io.sideOutput("moved") ?? `${io.name}/moved`, ...x.shape);
    const tensors = { steps: io.input("steps"), x, eps: io.input("eps"), before: io.input("before"), rest, moved };
    return { dispatches: retrace(tensors, { asymmetric }), output: rest, sideOutputs: { moved } };
  },

  diffuse(_, io) {
    const x = io.input("x");
    const y = f32(io.name, ...x.shape);
    return { dispatches: diffuse({ steps: io.input("steps"), x, z: io.input("z"), y }), output: y };
  },

  gaussian(_, io) {
    const y = f32(io.name, ...io.input("like").shape);
    return { dispatches: gaussian({ steps: io.input("steps"), y }), output: y };
  },

  nonFinite(_, io) {
    const flag = u32(io.name, 1);
    return { dispatches: nonFinite({ x: io.input("x"), steps: io.input("steps"), flag }), output: flag };
  },
};

/** Kernels of every operation of a step graph. */
export const stepOps: Ops<StepOp> = { ...networkOps, ...diffusionOps };
