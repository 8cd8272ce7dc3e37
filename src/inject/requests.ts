import type { ImageInput, InvertOptions } from "../api";
import { UserError } from "../errors";
import { SOLVERS, SPACINGS, spacingOf, TRAIN_STEPS } from "../model/schedule";
import { between, type Check, checkOptions, flag, listOf, oneOf, RUN_OPTIONS, text, whole } from "./check-options";
import { checkPicture } from "./check-picture";
import { checkMethod, isExact, METHODS } from "./methods";
import type { ReconstructOptions, SampleOptions } from "./options";
import { checkFaithful, defaults, type PresetName, presetFor, presets } from "./parameters";

const labels = listOf("classes", whole(0));

const solver = oneOf(...SOLVERS);

const INVERT_OPTIONS = {
  steps: () => undefined, // checked against `top` below
  top: whole(1, TRAIN_STEPS - 1),
  faithful: flag,
  solver,
  spacing: oneOf(...SPACINGS),
  method: oneOf(...METHODS),
  seed: whole(0, 2 ** 32 - 1),
  tap: text,
  labels,
  ...RUN_OPTIONS,
} satisfies Record<keyof InvertOptions, Check>;

/** @param preset the model's own, for what is not given
 *  @throws UserError in one line */
export function resolveInvert(options: InvertOptions, preset: PresetName) {
  checkOptions("invert", options, INVERT_OPTIONS);
  const own = { ...defaults, ...presets[presetFor(preset, [options])] };
  const { top = TRAIN_STEPS - 1, faithful = false, solver = own.solver, method = "ddim", seed = 0, tap } = options;
  const { steps = isExact(method) ? own.steps : own.stepsInversion } = options;
  const { spacing = spacingOf(solver) } = options;
  if (!Number.isInteger(steps) || steps < 2 || steps > top + 1)
    throw new UserError(`inversion steps ${steps}: expected a whole number from 2 to ${top + 1}`);
  checkFaithful({ faithful, solver, spacing });
  checkMethod({ method, solver, faithful });
  return { steps, top, faithful, solver, spacing, method, seed, tap };
}

/** One picture or several, as a list. @throws UserError for what is no picture */
export function pictureList(images: ImageInput | readonly ImageInput[]): readonly ImageInput[] {
  const list: readonly ImageInput[] = Array.isArray(images) ? images : [images as ImageInput];
  if (list.length === 0) throw new UserError("no picture to invert");
  list.forEach((picture, i) => {
    checkPicture(list.length > 1 ? `picture ${i}` : "picture", picture);
  });
  return list;
}

const SAMPLE_OPTIONS = {
  count: whole(1),
  seed: whole(0, 2 ** 32 - 1),
  first: whole(0, 2 ** 32 - 1),
  steps: whole(2, TRAIN_STEPS),
  eta: between(0, 1),
  solver,
  labels,
  ...RUN_OPTIONS,
} satisfies Record<keyof SampleOptions, Check>;

/** @throws UserError in one line */
export function resolveSample(options: SampleOptions) {
  checkOptions("sample", options, SAMPLE_OPTIONS);
  const { count = 1, seed = 0, steps = 50, eta = 0, solver = "ddim", first = 0 } = options;
  return {
    seed,
    eta,
    steps,
    solver,
    streams: Array.from({ length: count }, (_, n) => first + n),
  };
}

const RECONSTRUCT_OPTIONS = {
  steps: whole(2, TRAIN_STEPS),
  solver,
  faithful: flag,
  labels,
  ...RUN_OPTIONS,
} satisfies Record<keyof ReconstructOptions, Check>;

/** @throws UserError in one line */
export const checkReconstruct = (options: ReconstructOptions): void =>
  checkOptions("reconstruct", options, RECONSTRUCT_OPTIONS);
