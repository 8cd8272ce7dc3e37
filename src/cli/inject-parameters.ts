import { type Command, Option } from "commander";
import type { InjectParameters } from "../api";
import { UserError } from "../errors";
import type { Engine } from "./engine";
import { omega, ruleOption, seed, steps, timeStep, within } from "./values";

/** The options of an injection as commander hands them over: undefined where not given. */
export interface ParameterOptions {
  readonly preset?: string;
  readonly omega?: number | "off";
  readonly tEdit?: number;
  readonly tBoost?: number;
  readonly stepsInversion?: number;
  readonly steps?: number;
  readonly seed?: number;
  readonly rule?: InjectParameters["rule"];
  readonly faithful?: boolean;
  readonly rescale?: boolean;
  readonly dtLambda?: number;
}

/** Adds every parameter of an injection but gamma, which differs between commands. */
export function withParameterOptions(command: Command): Command {
  return command
    .option("--preset <name>", "where unset parameters come from (paper, faces, afhq, artistic, quick)")
    .addOption(new Option("--omega <value>", "latent calibration strength in (0, 1], or off").argParser(omega))
    .addOption(new Option("--t-edit <t>", "inject at time steps t >= this").argParser(timeStep))
    .addOption(new Option("--t-boost <t>", "fresh noise at time steps t <= this; 0: never").argParser(timeStep))
    .addOption(new Option("--steps-inversion <n>", "DDIM steps of the inversions").argParser(steps))
    .addOption(new Option("--steps <n>", "steps of the generation").argParser(steps))
    .addOption(new Option("--seed <n>", "seed of the noise of quality boosting").argParser(seed))
    .addOption(ruleOption())
    .option("--faithful", "reproduce the official program exactly, oddities included")
    .option("--rescale", "calibration restores the standard deviation of the predicted picture")
    .option("--no-rescale", "calibration leaves it alone")
    .addOption(
      new Option("--dt-lambda <value>", "factor of the direction at t >= 950; 1: off").argParser(within(0, 2)),
    );
}

export interface Chosen {
  readonly preset: string;
  readonly stepsInversion: number;
  readonly parameters: Partial<InjectParameters>;
}

/** The preset's values, and over them what the user gave.
 *  @throws UserError for an unknown preset, and for t_boost above t_edit, where noise would wash out the injection. */
export function chooseParameters(engine: Pick<Engine, "presets">, options: ParameterOptions, gamma?: number): Chosen {
  const preset = options.preset ?? defaultPreset(engine);
  const values = engine.presets[preset];
  if (!values)
    throw new UserError(
      `--preset ${preset}: there is none of this name; presets are ${Object.keys(engine.presets).join(", ")}`,
    );
  const { stepsInversion: ofPreset, ...rest } = values;
  const given = {
    gamma,
    omega: options.omega,
    tEdit: options.tEdit,
    tBoost: options.tBoost,
    steps: options.steps,
    seed: options.seed,
    rule: options.rule,
    faithful: options.faithful,
    rescale: options.rescale,
    dtLambda: options.dtLambda,
  };
  const parameters = {
    ...rest,
    ...Object.fromEntries(Object.entries(given).filter(([, value]) => value !== undefined)),
  };
  const { tEdit, tBoost } = parameters as Partial<InjectParameters>;
  if (tEdit !== undefined && tBoost !== undefined && tBoost > tEdit)
    throw new UserError(
      `t_boost ${tBoost} is above t_edit ${tEdit}: the noise would wash out the injection; give t_boost <= t_edit`,
    );
  return { preset, stepsInversion: options.stepsInversion ?? ofPreset ?? 50, parameters };
}

/** The quick preset of the shipped model where there is one, else the first. */
const defaultPreset = ({ presets }: Pick<Engine, "presets">): string =>
  "quick" in presets ? "quick" : (Object.keys(presets)[0] ?? "quick");

/** Parameters in a few words, for the foot of a strip. */
export function describe(parameters: Partial<InjectParameters>, stepsInversion: number): string {
  const { gamma, omega, tEdit, tBoost, steps, seed, rule, dtLambda, faithful } = parameters;
  return [
    rule && rule !== "slerp" ? rule : "",
    gamma === undefined ? "" : `γ ${gamma}`,
    omega === undefined ? "" : `ω ${omega}`,
    tEdit === undefined ? "" : `t_edit ${tEdit}`,
    tBoost === undefined ? "" : `t_boost ${tBoost}`,
    dtLambda === undefined || dtLambda === 1 ? "" : `dt_lambda ${dtLambda}`,
    `${stepsInversion}+${steps ?? "?"} steps`,
    seed === undefined ? "" : `seed ${seed}`,
    faithful ? "faithful" : "",
  ]
    .filter(Boolean)
    .join("  ");
}
