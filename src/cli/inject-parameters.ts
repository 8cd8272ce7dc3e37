import { type Command, Option } from "commander";
import type { InjectParameters } from "../api";
import { UserError } from "../errors";
import { isModelPreset, modelPresets } from "../model/presets";
import type { Engine } from "./engine";
import { omega, ruleOption, seed, steps, timeStep, within } from "./values";

/** The options of an injection as commander hands them over: undefined where not given. */
export interface ParameterOptions {
  readonly model?: string;
  readonly preset?: string;
  readonly omega?: number | "off";
  readonly tEdit?: number;
  readonly tBoost?: number;
  readonly stepsInversion?: number;
  readonly steps?: number;
  readonly replaceSteps?: number;
  readonly seed?: number;
  readonly rule?: InjectParameters["rule"];
  readonly faithful?: boolean;
  readonly rescale?: boolean;
  readonly dtLambda?: number;
}

/** Adds every parameter of an injection but gamma, which differs between commands.
 *  @param without names of options that the command defines in its own way */
export function withParameterOptions(command: Command, without: readonly string[] = []): Command {
  const options = [
    new Option(
      "--preset <name>",
      "where unset parameters come from: quick, paper, faces, afhq, artistic (default: the model's own, else quick)",
    ),
    new Option(
      "--omega <value>",
      "latent calibration, from 0 (inject strongest) to 1 (hold the original), or off",
    ).argParser(omega),
    new Option("--t-edit <t>", "inject at time steps t >= this").argParser(timeStep),
    new Option("--t-boost <t>", "fresh noise at time steps t <= this; 0: never").argParser(timeStep),
    new Option("--steps-inversion <n>", "DDIM steps of the inversions").argParser(steps),
    new Option("--steps <n>", "steps of the generation").argParser(steps),
    new Option("--replace-steps <n>", "inject at so many of the steps only").argParser(steps),
    new Option("--seed <n>", "seed of the noise of quality boosting").argParser(seed),
    ruleOption(),
    new Option("--faithful", "reproduce the official program exactly, oddities included"),
    new Option("--rescale", "calibration restores the standard deviation of the predicted picture"),
    new Option("--no-rescale", "calibration leaves it alone"),
    new Option("--dt-lambda <value>", "factor of the direction at t >= 950; 1: off").argParser(within(0, 2)),
  ];
  for (const option of options) if (!without.includes(option.attributeName())) command.addOption(option);
  return command;
}

export interface Chosen {
  readonly preset: string;
  readonly stepsInversion: number;
  readonly parameters: InjectParameters;
}

/** The preset's values, and over them what the user gave.
 *  @throws UserError for an unknown preset, and for values that make no sense together */
export function chooseParameters(engine: Engine, options: ParameterOptions, gamma?: number): Chosen {
  const preset = options.preset ?? methodOf(options.model);
  const values = Object.hasOwn(engine.presets, preset) ? engine.presets[preset] : undefined;
  if (!values)
    throw new UserError(`--preset ${preset}: no such preset; presets are ${Object.keys(engine.presets).join(", ")}`);
  const parameters = engine.resolveParameters({ ...options, gamma }, preset);
  return { preset, stepsInversion: options.stepsInversion ?? values.stepsInversion, parameters };
}

/** The preset that goes with one of the paper's models, however its file is given (`ffhq=FILE`). */
function methodOf(model = ""): string {
  const name = model.split("=")[0]!;
  return isModelPreset(name) ? modelPresets[name].method : "quick";
}

/** What varies on a sheet, in words of its own. */
type Shown = { readonly [K in "gamma" | "omega" | "tEdit" | "tBoost"]?: string };

/** Parameters in a few words, for the foot of a strip. */
export function describe(parameters: InjectParameters, stepsInversion: number, shown: Shown = {}): string {
  const { gamma, omega, tEdit, tBoost, steps, seed, rule, dtLambda, faithful } = parameters;
  return [
    rule === "slerp" ? "" : rule,
    `γ ${shown.gamma ?? gamma}`,
    `ω ${shown.omega ?? omega}`,
    `t_edit ${shown.tEdit ?? tEdit}`,
    `t_boost ${shown.tBoost ?? tBoost}`,
    dtLambda === 1 ? "" : `dt_lambda ${dtLambda}`,
    `${stepsInversion}+${steps} steps`,
    tBoost > 0 ? `seed ${seed}` : "",
    faithful ? "faithful" : "",
  ]
    .filter(Boolean)
    .join("  ");
}
