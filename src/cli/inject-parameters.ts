import { type Command, Option } from "commander";
import type { InjectParameters } from "../api";
import { UserError } from "../errors";
import type { InversionMethod } from "../inject/methods";
import { type PresetName, presetFor } from "../inject/parameters";
import { methodOf } from "../model/presets";
import { type Solver, SPACINGS, type Spacing } from "../model/schedule";
import type { Engine } from "./engine";
import { UsageError } from "./failure";
import type { Reporter } from "./reporter";
import { methodOption, omega, ruleOption, seed, solverOption, steps, timeStep, within } from "./values";

/** The options of an injection as commander passes them: undefined where not given. */
export interface ParameterOptions {
  readonly model?: string;
  readonly preset?: string;
  readonly omega?: number | "off";
  readonly tEdit?: number;
  readonly tBoost?: number;
  readonly stepsInversion?: number;
  readonly steps?: number;
  readonly solver?: Solver;
  readonly spacing?: Spacing;
  readonly method?: InversionMethod;
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
      "values of all parameters not given: fast, quick, paper, faces, afhq, artistic (default: the model's own, else quick)",
    ),
    new Option(
      "--omega <value>",
      "latent calibration, from 0 (inject strongest) to 1 (hold the original), or off",
    ).argParser(omega),
    new Option("--t-edit <t>", "inject at time steps t >= this: higher keeps more of the original").argParser(timeStep),
    new Option("--t-boost <t>", "add fresh noise at time steps t <= this, for sharper detail; 0: never").argParser(
      timeStep,
    ),
    new Option("--steps-inversion <n>", "steps of the inversions").argParser(steps),
    new Option("--steps <n>", "steps of the generation").argParser(steps),
    solverOption(),
    new Option(
      "--spacing <name>",
      "what the time steps are evenly spaced in: time, or lambda (the solver's default)",
    ).choices(SPACINGS),
    methodOption(),
    new Option("--replace-steps <n>", "inject at this many of the steps only").argParser(steps),
    new Option("--seed <n>", "seed of the noise that --t-boost adds, and of edit-friendly inversion").argParser(seed),
    ruleOption(),
    new Option("--faithful", "reproduce the official program exactly, oddities included"),
    new Option("--rescale", "calibration restores the standard deviation of the predicted picture"),
    new Option("--no-rescale", "calibration does not change that standard deviation"),
    new Option("--dt-lambda <value>", "factor of the direction at t >= 950; 1: off").argParser(within(0, 2)),
  ];
  command.optionsGroup("Parameters (docs/parameters.md):");
  for (const option of options) if (!without.includes(option.attributeName())) command.addOption(option);
  return command;
}

export interface Chosen {
  readonly preset: string;
  readonly stepsInversion: number;
  readonly parameters: InjectParameters;
}

/** Takes the preset's values, and over them the options given.
 *  @param own the preset where none is named: the model's own that suits these options
 *  @throws UsageError for an unknown preset, and for values that contradict each other */
export function chooseParameters(
  engine: Engine,
  options: ParameterOptions,
  gamma?: number,
  own = presetFor(methodOf(options.model), [options]),
): Chosen {
  const preset = options.preset ?? own;
  const values = Object.hasOwn(engine.presets, preset) ? engine.presets[preset] : undefined;
  if (!values)
    throw new UsageError(`--preset ${preset}: no such preset; presets are ${Object.keys(engine.presets).join(", ")}`);
  try {
    const parameters = engine.resolveParameters({ ...options, gamma }, preset as PresetName);
    return { preset, stepsInversion: parameters.stepsInversion, parameters };
  } catch (error) {
    if (error instanceof UserError) throw new UsageError(inFlags(error.message));
    throw error;
  }
}

/** Spells the library's names of parameters as the flags that set them. */
const inFlags = (message: string): string =>
  message
    .replace(/\b(?:tEdit|tBoost|replaceSteps|dtLambda|stepsInversion)\b/g, (name) => `--${kebab(name)}`)
    .replace(/^(?:gamma|omega|steps|seed|rule|solver|spacing|method)\b/, (name) => `--${name}`);

const kebab = (name: string): string => name.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`);

/** Points out values that do nothing. */
export function noteParameters({ parameters: { gamma, tEdit, top } }: Chosen, reporter: Reporter): void {
  if (tEdit > top && gamma > 0)
    reporter.note(
      `--t-edit ${tEdit} is above the first time step ${top}: nothing is injected, the result is the original`,
    );
}

/** Words for the parameters that vary on a sheet; an empty gamma is left out: without a content it does nothing. */
type Shown = { readonly [K in "gamma" | "omega" | "tEdit" | "tBoost"]?: string };

/** Parameters in a few words, for the foot of a strip. */
export function describe(parameters: InjectParameters, stepsInversion: number, shown: Shown = {}): string {
  const { gamma, omega, tEdit, tBoost, steps, solver, method, seed, rule, dtLambda, faithful } = parameters;
  return [
    rule === "slerp" ? "" : typeof rule === "string" ? rule : "own rule",
    shown.gamma === "" ? "" : `γ ${shown.gamma ?? gamma}`,
    `ω ${shown.omega ?? omega}`,
    `t_edit ${shown.tEdit ?? tEdit}`,
    `t_boost ${shown.tBoost ?? tBoost}`,
    dtLambda === 1 ? "" : `dt_lambda ${dtLambda}`,
    `${stepsInversion}+${steps} steps`,
    solver === "ddim" ? "" : solver,
    method === "ddim" ? "" : method,
    tBoost > 0 || method === "edit-friendly" ? `seed ${seed}` : "",
    faithful ? "faithful" : "",
  ]
    .filter(Boolean)
    .join("  ");
}
