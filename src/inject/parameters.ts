import type { Gamma, InjectParameters, InjectVariant, OwnRule } from "../api";
import { UserError } from "../errors";
import { MIX } from "../kernels/step/step-row";
import { SOLVERS, SPACINGS, spacingOf, TRAIN_STEPS } from "../model/schedule";
import { definesRule } from "../wgsl/own-rule";
import { between, type Check, callback, checkOptions, either, flag, oneOf, whole } from "./check-options";
import { checkMethod, isExact, METHODS } from "./methods";

/** A named set of parameters. */
export interface Preset extends Partial<InjectParameters> {
  readonly stepsInversion: number;
}

/** Parameters of a run where neither a preset nor the caller gives them: those of `quick`, which suit any model. */
export const defaults: InjectParameters = {
  gamma: 0.3,
  tEdit: 400,
  tBoost: 0,
  omega: "off",
  rescale: true,
  dtLambda: 1,
  dtEnd: 950,
  top: TRAIN_STEPS - 1,
  steps: 50,
  stepsInversion: 50,
  solver: "ddim",
  spacing: "time",
  method: "ddim",
  replaceSteps: undefined,
  rule: "slerp",
  seed: 0,
  faithful: false,
};

/** `fast` for the shipped model, `quick` for any, and the settings of the paper and of the official README.   Jeong et al. 2023
 *  On the shipped model `fast` takes two fifths of the forwards of `quick` (docs/methods.md). Its t_edit is low because an
 *  injection adds up over the injected steps, and only 10 of its 20, spaced by lambda, are at t above 300. A little boosting
 *  takes away a fine pattern that so few steps may leave. */
export const presets = {
  fast: { stepsInversion: 20, steps: 20, solver: "dpm++2m", gamma: 0.45, tEdit: 100, tBoost: 30, omega: "off" },
  quick: { stepsInversion: 50, steps: 50, gamma: 0.3, tEdit: 400, tBoost: 0, omega: "off" },
  paper: { stepsInversion: 1000, steps: 1000, gamma: 0.3, tEdit: 400, tBoost: 200, omega: 0.3 },
  faces: { stepsInversion: 50, steps: 1000, replaceSteps: 50, gamma: 0.3, tEdit: 400, tBoost: 200, dtLambda: 0.9985 },
  afhq: { stepsInversion: 50, steps: 1000, replaceSteps: 50, gamma: 0.3, tEdit: 400, tBoost: 200 },
  artistic: { stepsInversion: 1000, steps: 1000, gamma: 0.4, tEdit: 400, tBoost: 0 },
} as const satisfies Record<string, Preset>;

/** Name of a preset. */
export type PresetName = keyof typeof presets;

/** Checks of each parameter. */
export const PARAMETERS: Readonly<Record<keyof InjectParameters, Check>> = {
  gamma: either("0 to 1, or a function of the position in [0, 1]", between(0, 1), callback),
  tEdit: between(0, TRAIN_STEPS),
  tBoost: between(0, TRAIN_STEPS - 1),
  omega: either('"off", or a number from 0 (strongest injection) to 1', oneOf("off"), between(0, 1)),
  rescale: flag,
  dtLambda: between(0, 2),
  dtEnd: between(0, TRAIN_STEPS),
  top: whole(1, TRAIN_STEPS - 1),
  steps: whole(2, TRAIN_STEPS),
  stepsInversion: whole(2, TRAIN_STEPS),
  solver: oneOf(...SOLVERS),
  spacing: oneOf(...SPACINGS),
  method: oneOf(...METHODS),
  replaceSteps: whole(1),
  rule: either(
    `one of ${Object.keys(MIX).join(", ")}, or { wgsl } that defines fn mix_rule(...)`,
    oneOf(...Object.keys(MIX)),
    (rule) => (definesRule(String((rule as OwnRule | null)?.wgsl)) ? undefined : "a rule in WGSL"),
  ),
  seed: whole(0, 2 ** 32 - 1),
  faithful: flag,
};

/** @throws UserError for what the official program does not have */
export function checkFaithful({ faithful, solver, spacing }: Pick<RunParameters, "faithful" | "solver" | "spacing">) {
  if (!faithful) return;
  if (solver !== "ddim")
    throw new UserError(`solver ${solver}: the official program has ddim only; leave out faithful`);
  if (spacing !== "time")
    throw new UserError(`spacing ${spacing}: the official program spaces by time; leave out faithful`);
}

/** The preset of calls that name none: the model's own, or `quick` where a call gives a value that does not go with it. The
 *  steps and t_edit of a preset that names a solver are chosen for that solver.
 *  @param own the model's own preset @param calls parameters that are given, of each call */
export function presetFor(own: PresetName, calls: readonly Given[]): PresetName {
  const preset: Preset = presets[own];
  const { solver } = preset;
  if (solver === undefined) return own;
  const goes = calls.every(({ method = "ddim", faithful = false, ...given }) => {
    const { tBoost, tEdit } = { ...defaults, ...preset, ...defined(given) };
    return (given.solver ?? solver) === solver && !faithful && !isExact(method) && tBoost <= tEdit;
  });
  return goes ? own : "quick";
}

const NAMES = Object.keys(defaults) as (keyof InjectParameters)[];

type Given = { readonly [K in keyof InjectParameters]?: InjectVariant[K] | undefined };

/** The parameters among `given` that have a value. */
const defined = (given: Given): Partial<RunParameters> =>
  Object.fromEntries(NAMES.flatMap((name) => (given[name] === undefined ? [] : [[name, given[name]]])));

/** Resolved parameters, in which gamma may be a function. */
export interface RunParameters extends Omit<InjectParameters, "gamma"> {
  readonly gamma: Gamma;
}

/** Defaults, then the preset, then what is given; other properties are ignored. A set that names every parameter, as this
 *  function returns it, needs no preset: its undefined values mean what they say.
 *  @param otherwise the model's own preset, used where none is named
 *  @throws UserError for a value out of its range, or values that contradict each other */
export function resolveParameters(
  given: Given,
  preset?: PresetName,
  otherwise: PresetName = "quick",
): InjectParameters {
  return resolveRun(given, preset, otherwise) as InjectParameters;
}

/** The same, with a gamma that may be a function. */
export function resolveRun(given: InjectVariant, preset?: PresetName, otherwise: PresetName = "quick"): RunParameters {
  if (preset !== undefined && !Object.hasOwn(presets, preset))
    throw new UserError(`no preset "${preset}"; presets are ${Object.keys(presets).join(", ")}`);
  const complete = NAMES.every((name) => Object.hasOwn(given, name));
  const base: Preset = presets[preset ?? (complete ? "quick" : presetFor(otherwise, [given]))];
  const merged: RunParameters = { ...defaults, ...base, ...defined(given) };
  const stepsInversion = isExact(merged.method) ? merged.steps : merged.stepsInversion;
  const p = { ...merged, stepsInversion, spacing: given.spacing ?? base.spacing ?? spacingOf(merged.solver) };
  checkOptions("parameters", p, PARAMETERS);
  for (const name of ["steps", "stepsInversion"] as const)
    if (p[name] > p.top + 1) throw new UserError(`${name} ${p[name]}: expected a whole number from 2 to ${p.top + 1}`);
  checkFaithful(p);
  checkMethod(p);
  if (p.tBoost > p.tEdit && !p.faithful)
    throw new UserError(
      `tBoost ${p.tBoost} is above tEdit ${p.tEdit}: boosting would drown the injection; lower tBoost or raise tEdit`,
    );
  return p;
}
