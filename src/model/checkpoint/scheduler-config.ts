import { UserError } from "../../errors";
import { type Betas, checkSchedule, DDPM_SCHEDULE, type Prediction, type Schedule } from "../schedule";
import type { Json } from "./diffusers-config";

/** Schedulers whose models were trained on the betas that their config names. */
const known =
  /^(?:DDPM|DDIM|DDIMInverse|DDPMParallel|DDIMParallel|PNDM|DPMSolverMultistep|DPMSolverSinglestep|DEISMultistep|UniPCMultistep)Scheduler$/;
/** Of these, the ones that clamp the predicted x0 unless they say otherwise. */
const clamping = /^DD[PI]M(?:Inverse|Parallel)?Scheduler$/;

/** Settings of a scheduler_config.json, the values supported, and what they are for. */
export const schedulerRules: readonly { readonly key: string; readonly supported: string; readonly use: string }[] = [
  { key: "num_train_timesteps", supported: "2 to 100000", use: "T" },
  { key: "beta_schedule", supported: "`linear`, `scaled_linear`, `squaredcos_cap_v2`, `sigmoid`", use: "alpha-bar" },
  { key: "beta_start, beta_end", supported: "between 0 and 1", use: "alpha-bar" },
  { key: "trained_betas", supported: "T numbers between 0 and 1", use: "alpha-bar, in place of a formula" },
  { key: "rescale_betas_zero_snr", supported: "any; not with `epsilon`", use: "alpha-bar" },
  { key: "prediction_type", supported: "`epsilon`, `sample`, `v_prediction`", use: "every step" },
  { key: "timestep_spacing", supported: "`leading`, `trailing`, `linspace`", use: "sampling from noise" },
  { key: "steps_offset", supported: "a whole number from 0", use: "sampling from noise" },
  { key: "set_alpha_to_one, final_sigmas_type", supported: "any", use: "sampling from noise" },
  { key: "clip_sample, clip_sample_range", supported: "any", use: "sampling from noise" },
  { key: "thresholding", supported: "false", use: "" },
  { key: "variance_type", supported: "any", use: "none: steps are DDIM's, `eta` sets their noise" },
];

/** Reads a diffusers `scheduler_config.json`, or a schedule of our own metadata.
 *  @throws UserError naming the first setting that this engine does not have, with its value. */
export function readSchedule(config: Json, file: string): Schedule {
  if ("trainSteps" in config) return ownSchedule(config, file);
  const refuse = (key: string, expected: string): never => {
    throw new UserError(`${file}: ${key} is ${JSON.stringify(config[key])}; expected ${expected}`);
  };
  const name = config._class_name;
  if (name !== undefined && !known.test(String(name)))
    refuse(
      "_class_name",
      "a scheduler of noise and alphas, such as DDPMScheduler; sigma-space models are not supported",
    );
  const at = (key: string, otherwise: unknown): unknown => config[key] ?? otherwise;
  const number = (key: string, otherwise: number): number => {
    const value = at(key, otherwise);
    return typeof value === "number" && Number.isFinite(value) ? value : refuse(key, "a number");
  };
  const flag = (key: string, otherwise: boolean): boolean => {
    const value = at(key, otherwise);
    return typeof value === "boolean" ? value : refuse(key, "true or false");
  };
  const word = <T extends string>(key: string, values: readonly T[], otherwise: T): T => {
    const value = at(key, otherwise) as T;
    return values.includes(value) ? value : refuse(key, `one of ${values.join(", ")}`);
  };
  if (flag("thresholding", false)) refuse("thresholding", "false: dynamic thresholding is not supported");
  if (/^sde-/.test(String(at("algorithm_type", "")))) refuse("algorithm_type", "dpmsolver++ or another that is no SDE");
  const trained = at("trained_betas", null);
  if (trained !== null && !(Array.isArray(trained) && trained.every((v) => typeof v === "number")))
    refuse("trained_betas", "a list of numbers");
  const kinds = ["linear", "scaled_linear", "squaredcos_cap_v2", "sigmoid"] as const;
  const kind = word("beta_schedule", kinds, "linear");
  const formula: Betas =
    kind === "squaredcos_cap_v2"
      ? { kind }
      : { kind, start: number("beta_start", 1e-4), end: number("beta_end", 0.02) };
  const betas: Betas = trained === null ? formula : { kind: "trained_betas", values: trained as number[] };
  if ("start" in betas)
    for (const key of ["beta_start", "beta_end"])
      if (!(number(key, 0.02) > 0 && number(key, 0.02) < 1)) refuse(key, "a number between 0 and 1");
  const offset = number("steps_offset", 0);
  if (!Number.isInteger(offset) || offset < 0) refuse("steps_offset", "a whole number from 0");
  const clips = flag("clip_sample", name === undefined || clamping.test(String(name)));
  const range = number("clip_sample_range", 1);
  if (clips && !(range > 0)) refuse("clip_sample_range", "a positive number");
  const spacings = ["leading", "trailing", "linspace"] as const;
  const otherwise =
    name === undefined || clamping.test(String(name)) || name === "PNDMScheduler" ? "leading" : "linspace";
  return checkSchedule(
    {
      trainSteps: number("num_train_timesteps", "values" in betas ? betas.values.length : 1000),
      betas,
      zeroSnr: flag("rescale_betas_zero_snr", false),
      prediction: word<Prediction>("prediction_type", ["epsilon", "sample", "v_prediction"], "epsilon"),
      spacing: word("timestep_spacing", spacings, otherwise),
      stepsOffset: offset,
      finalAlphaOne: flag("set_alpha_to_one", at("final_sigmas_type", "zero") !== "sigma_min"),
      clip: clips ? range : 0,
    },
    file,
  );
}

/** A `Schedule` that was written as JSON. */
function ownSchedule(config: Json, file: string): Schedule {
  const schedule = { ...DDPM_SCHEDULE, ...config } as Schedule;
  const { betas, prediction, spacing, stepsOffset, clip, zeroSnr, finalAlphaOne, rederive } = schedule;
  const list = (value: unknown) => Array.isArray(value) && value.every((v) => typeof v === "number");
  const kind = (betas as Betas | null)?.kind;
  const sound =
    typeof betas === "object" &&
    (kind === "squaredcos_cap_v2" ||
      kind === "sigmoid_alphas" ||
      ((kind === "trained_betas" || kind === "alphas_cumprod") && list((betas as { values?: unknown }).values)) ||
      ["linear", "scaled_linear", "sigmoid"].includes(String(kind))) &&
    ["epsilon", "sample", "v_prediction"].includes(prediction) &&
    ["paper", "leading", "trailing", "linspace", "lucidrains"].includes(spacing) &&
    Number.isInteger(stepsOffset) &&
    stepsOffset >= 0 &&
    clip >= 0 &&
    typeof zeroSnr === "boolean" &&
    typeof finalAlphaOne === "boolean" &&
    (rederive === undefined || typeof rederive === "boolean");
  if (!sound) throw new UserError(`${file}: its "schedule" is not one that this engine wrote; re-save the file`);
  return checkSchedule(schedule, file);
}
