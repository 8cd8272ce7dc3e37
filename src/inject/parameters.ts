import type { InjectParameters } from "../api";
import { UserError } from "../errors";
import { MIX } from "../kernels/step/step-row";
import { TRAIN_STEPS } from "../model/schedule";

/** A named set of parameters; `stepsInversion` belongs to the inversions that go with it. */
export interface Preset extends Partial<InjectParameters> {
  readonly stepsInversion: number;
}

/** What a run does unless told otherwise: the paper's injection, at a number of steps that is quick to wait for. */
export const defaults: InjectParameters = {
  gamma: 0.3,
  tEdit: 400,
  tBoost: 200,
  omega: "off",
  rescale: true,
  dtLambda: 1,
  dtEnd: 950,
  top: TRAIN_STEPS - 1,
  steps: 50,
  replaceSteps: undefined,
  rule: "slerp",
  seed: 0,
  faithful: false,
};

/** The settings of the paper and of the official README, and `quick` for the shipped model.   Jeong et al. 2023 */
export const presets = {
  quick: { stepsInversion: 50, steps: 50, gamma: 0.3, tEdit: 400, tBoost: 0, omega: "off" },
  paper: { stepsInversion: 1000, steps: 1000, gamma: 0.3, tEdit: 400, tBoost: 200, omega: 0.3 },
  faces: { stepsInversion: 50, steps: 1000, replaceSteps: 50, gamma: 0.3, tEdit: 400, tBoost: 200, dtLambda: 0.9985 },
  afhq: { stepsInversion: 50, steps: 1000, replaceSteps: 50, gamma: 0.3, tEdit: 400, tBoost: 200 },
  artistic: { stepsInversion: 1000, steps: 1000, gamma: 0.4, tEdit: 400, tBoost: 0 },
} as const satisfies Record<string, Preset>;

export type PresetName = keyof typeof presets;

/** Defaults, then the preset, then what is given. @throws UserError for a value out of its range. */
export function resolveParameters(
  given: { readonly [K in keyof InjectParameters]?: InjectParameters[K] | undefined },
  preset?: string,
): InjectParameters {
  if (preset !== undefined && !Object.hasOwn(presets, preset))
    throw new UserError(`no preset "${preset}"; presets are ${Object.keys(presets).join(", ")}`);
  const { stepsInversion: _, ...base }: Preset = preset ? presets[preset as PresetName] : { stepsInversion: 50 };
  const own = Object.fromEntries(Object.keys(defaults).map((key) => [key, given[key as keyof InjectParameters]]));
  const chosen = Object.fromEntries(Object.entries(own).filter(([, value]) => value !== undefined));
  const p: InjectParameters = { ...defaults, ...base, ...chosen };
  check("gamma", p.gamma, 0, 1);
  check("tEdit", p.tEdit, 0, TRAIN_STEPS);
  check("tBoost", p.tBoost, 0, TRAIN_STEPS - 1);
  check("top", p.top, 1, TRAIN_STEPS - 1);
  check("dtEnd", p.dtEnd, 0, TRAIN_STEPS);
  check("dtLambda", p.dtLambda, 0, 2);
  if (p.omega !== "off" && !(p.omega >= 0 && p.omega <= 1))
    throw new UserError(`omega ${p.omega}: needed "off", or a number from 0 (strongest injection) to 1`);
  if (!Number.isInteger(p.steps) || p.steps < 2 || p.steps > p.top + 1)
    throw new UserError(`steps ${p.steps}: needed a whole number from 2 to ${p.top + 1}`);
  if (p.replaceSteps !== undefined && !(Number.isInteger(p.replaceSteps) && p.replaceSteps >= 1))
    throw new UserError(`replaceSteps ${p.replaceSteps}: needed a whole number from 1`);
  if (p.tBoost > p.tEdit && !p.faithful)
    throw new UserError(
      `tBoost ${p.tBoost} is above tEdit ${p.tEdit}: boosting would drown the injection; lower tBoost or raise tEdit`,
    );
  if (!Object.hasOwn(MIX, p.rule))
    throw new UserError(`no mixing rule "${p.rule}"; rules are ${Object.keys(MIX).join(", ")}`);
  if (!Number.isInteger(p.seed) || p.seed < 0 || p.seed >= 2 ** 32)
    throw new UserError(`seed ${p.seed}: needed a whole number from 0 to 4294967295`);
  return p;
}

function check(name: string, value: number, least: number, most: number): void {
  if (!(value >= least && value <= most)) throw new UserError(`${name} ${value}: needed ${least} to ${most}`);
}
