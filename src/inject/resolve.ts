import type { Gamma, ImageInput, InjectVariant, MaskOption } from "../api";
import { UserError } from "../errors";
import { MAX_CONTENTS, type MixRule } from "../kernels/step/step-row";
import { ownRuleShader } from "../wgsl/own-rule";
import type { Bank } from "./bank";
import {
  between,
  type Check,
  checkOptions,
  describe,
  either,
  flag,
  is,
  listOf,
  object,
  oneOf,
  RUN_OPTIONS,
  text,
  whole,
} from "./check-options";
import { checkPicture } from "./check-picture";
import { Direction, Directions } from "./directions";
import { Inversion } from "./inversion";
import { isExact } from "./methods";
import type { ContentInput, DirectionInput, InjectOptions, OmegaRegion } from "./options";
import { PARAMETERS, type PresetName, presetFor, presets, type RunParameters, resolveRun } from "./parameters";
import type { InjectPlanOptions, SampleRun } from "./plan-inject";

/** An inversion, pictures to invert, or a direction. */
export type Source = Inversion | Direction | readonly ImageInput[];

/** A request to inject, checked and complete. */
export interface InjectRequest {
  readonly original: Source;
  readonly contents: readonly {
    readonly source: Source;
    readonly gamma?: Gamma;
    readonly rule?: MixRule;
    readonly mask?: MaskOption;
  }[];
  readonly regions: readonly OmegaRegion[];
  /** parameters of each variant */
  readonly variants: readonly RunParameters[];
  readonly tap?: string | undefined;
}

const mask: Check = (value) =>
  value === "official" || isMask(value)
    ? undefined
    : 'a mask { values, width, height } with values in [0, 1], or "official"';

function isMask(value: unknown): boolean {
  if (typeof value !== "object" || value === null) return false;
  const { values, width, height } = value as Record<string, unknown>;
  return (Array.isArray(values) || ArrayBuffer.isView(values)) && Number.isInteger(width) && Number.isInteger(height);
}

/** A mask of a content. One of 0 everywhere is a mistake: nothing would be injected. */
const contentMask: Check = (value) => {
  const wrong = mask(value);
  if (wrong || value === "official") return wrong;
  const { values } = value as { values: ArrayLike<number> };
  return Array.prototype.every.call(values, (v) => v === 0) ? "a value above 0 somewhere in the mask" : undefined;
};

const any: Check = () => undefined;
const omega = between(0, 1);

const INJECT_OPTIONS = {
  original: any,
  content: any,
  contents: listOf("contents", any),
  mask: contentMask,
  omegaRegions: listOf("regions { mask, omega }", object),
  directions: listOf("directions { of, scale }", object),
  preset: oneOf(...Object.keys(presets)),
  variants: listOf("parameters", object),
  tap: text,
  labels: listOf("classes", whole(0)),
  ...PARAMETERS,
  ...RUN_OPTIONS,
} satisfies Record<keyof InjectOptions, Check>;

const CONTENT_OPTIONS = {
  inversion: any,
  gamma: either("0 to 1", PARAMETERS.gamma),
  mask: contentMask,
  omega,
} satisfies Record<keyof ContentInput, Check>;

const DIRECTION_OPTIONS = {
  of: (value) => (value instanceof Directions ? undefined : "directions, of model.loadDirections"),
  component: whole(0),
  scale: is("a finite number", Number.isFinite),
  keepNorm: flag,
  mask,
} satisfies Record<keyof DirectionInput, Check>;

/** Checks the options of an injection and resolves its parameters: the only place that does.
 *  @param otherwise the model's own preset
 *  @throws UserError in one line */
export function resolveInject(options: InjectOptions, otherwise: PresetName): InjectRequest {
  checkOptions("inject", options, INJECT_OPTIONS);
  const { original, variants = [{}], tap } = options;
  if (original === undefined)
    throw new UserError("inject: no original; give the picture or inversion that generation starts from");
  const contents = contentsOf(options);
  const regions = regionsOf(options, contents);
  if (variants.length === 0)
    throw new UserError("variants: an empty list; leave it out, or give one set of parameters");
  for (const variant of variants) checkOptions("variants", variant, PARAMETERS);
  const calls = variants.map((variant) => mergeParameters(options, variant));
  const own = presetFor(otherwise, calls); // one for all variants, which share their steps
  const resolved = calls.map((call) => {
    const given = resolveRun(call, options.preset, own);
    return regions.length > 0 && given.omega === "off" ? { ...given, omega: 1 } : given;
  });
  const directions = directionsOf(options);
  if (directions.length > 0 && resolved[0]!.faithful)
    throw new UserError("directions: the official program has none; leave out faithful, or the directions");
  if (directions.length > 0 && typeof resolved[0]!.rule !== "string")
    throw new UserError(
      "directions: they are added, which a mixing rule in WGSL does not do; leave out one of the two",
    );
  if (contents.length + directions.length > MAX_CONTENTS)
    throw new UserError(`${contents.length + directions.length} contents and directions; at most ${MAX_CONTENTS}`);
  if (resolved[0]!.faithful && regions.length > 0)
    throw new UserError("the official program has one omega for the whole picture; leave out faithful, or the regions");
  return {
    original: sourceOf("original", original),
    contents: [
      ...contents.map(({ inversion, gamma, mask = options.mask }, k) => ({
        source: sourceOf(contents.length > 1 ? `contents[${k}]` : "content", inversion),
        ...(gamma !== undefined && { gamma }),
        ...(mask !== undefined && { mask }),
      })),
      ...directions,
    ],
    regions,
    variants: resolved,
    tap,
  };
}

/** A variant's parameters over the run's: what is undefined in a variant is the run's. */
const mergeParameters = (options: InjectOptions, variant: InjectVariant) => ({
  ...options,
  ...Object.fromEntries(Object.entries(variant).filter(([, value]) => value !== undefined)),
});

type Contents = readonly (Omit<ContentInput, "inversion"> & { readonly inversion: InjectOptions["original"] })[];

/** Directions as contents that are added. @throws UserError in one line */
function directionsOf({ directions = [], mask: everywhere }: InjectOptions): InjectRequest["contents"] {
  return directions.map((input) => {
    checkOptions("directions", input, DIRECTION_OPTIONS);
    const { of, component = 0, scale, keepNorm = true, mask = everywhere } = input;
    if (!of) throw new UserError("directions: one without `of`; give what model.loadDirections gave");
    if (scale === undefined) throw new UserError("directions: one without a scale; 1 is one standard deviation");
    if (component >= of.count) throw new UserError(`direction ${component}: these are ${of.count}, counted from 0`);
    return {
      source: new Direction(of, component),
      gamma: scale,
      rule: keepNorm ? "addKept" : "add",
      ...(mask !== undefined && { mask }),
    };
  });
}

function contentsOf({ content, contents, directions }: InjectOptions): Contents {
  if (content !== undefined && contents !== undefined)
    throw new UserError("inject: both content and contents; give one of them");
  if (content !== undefined) return [{ inversion: content }];
  const list = (contents ?? []).map((c): ContentInput => {
    if (!isContent(c)) return { inversion: c };
    checkOptions("contents", c, CONTENT_OPTIONS);
    return c;
  });
  if (list.length === 0 && !directions?.length)
    throw new UserError("no content to inject; give `content` or `contents`");
  if (list.length > MAX_CONTENTS) throw new UserError(`${list.length} contents; at most ${MAX_CONTENTS} in one run`);
  return list;
}

const isContent = (value: unknown): value is ContentInput =>
  typeof value === "object" && value !== null && !(value instanceof Inversion) && "inversion" in value;

function sourceOf(where: string, value: InjectOptions["original"]): Source {
  if (value instanceof Inversion) return value;
  const list: readonly unknown[] = Array.isArray(value) ? value : [value];
  if (list.length === 0) throw new UserError(`${where}: an empty list of pictures`);
  return list.map((picture) => {
    if (picture instanceof Inversion)
      throw new UserError(`${where}: a list with an Inversion; use select(...) of one inversion, or \`contents\``);
    checkPicture(where, picture);
    return picture;
  });
}

/** Omegas of the contents, inside their masks, then those given apart. */
function regionsOf(options: InjectOptions, contents: Contents): OmegaRegion[] {
  const everywhere = { values: [1], width: 1, height: 1 };
  const own = contents.flatMap(({ omega, mask = options.mask ?? everywhere }) =>
    omega === undefined ? [] : [{ mask, omega }],
  );
  const all = [...own, ...(options.omegaRegions ?? [])];
  for (const region of all) {
    if (omega(region.omega))
      throw new UserError(
        `omega ${describe(region.omega)} of a region: expected a number from 0 (strongest injection) to 1`,
      );
    const wrong = mask(region.mask);
    if (wrong) throw new UserError(`mask ${describe(region.mask)} of a region: expected ${wrong}`);
  }
  return all;
}

/** The request with its inversions at hand, as the plan takes it.
 *  @param model hash of the network's weights
 *  @throws UserError for inversions that do not fit each other, the parameters or the model */
export function matchBanks(
  { contents, variants, regions, tap: asked }: InjectRequest,
  original: Bank,
  banks: readonly Bank[],
  model: string,
): InjectPlanOptions {
  const all = [original, ...banks];
  const pairs = Math.max(...all.map(({ samples }) => samples.length));
  for (const { info, samples, direction } of all) {
    if (info.model !== model)
      throw new UserError(
        direction
          ? "a direction is of another model; find it again with this one"
          : "an inversion was made with another model; invert the picture with this one",
      );
    if (samples.length !== 1 && samples.length !== pairs)
      throw new UserError(`${samples.length} pictures against ${pairs}, expected as many, or one for all`);
  }
  checkShared(variants);
  const { top } = original.info;
  if (variants[0]!.top !== top) throw new UserError(`top ${variants[0]!.top}: the original was inverted up to ${top}`);
  checkBanks(
    all.filter(({ direction }) => !direction),
    variants[0]!,
  );
  const ownRule = ownText(variants[0]!.rule);
  const tap = asked ?? banks[0]!.info.tap;
  const other = banks.find(({ info }) => info.tap !== tap);
  if (other)
    throw new UserError(
      other.direction
        ? `injection at "${tap}", but a direction is at "${other.info.tap}"; find it at that tap`
        : `injection at "${tap}", but a content keeps "${other.info.tap}"; invert it with that tap`,
    );
  return {
    model,
    samples: Array.from({ length: pairs }, () => variants.map((parameters) => sampleRun(parameters, contents))).flat(),
    variants: variants.length,
    original,
    contents: banks.map(({ info, samples, times, direction = false }, k) => ({
      info,
      samples,
      times,
      direction,
      masked: contents[k]!.mask !== undefined,
    })),
    tap,
    omegaRegions: regions.length,
    ...(ownRule !== undefined && { mixShader: ownRuleShader(ownRule) }),
  };
}

/** @throws UserError for inversions of another method or schedule than the run's */
function checkBanks([original, ...contents]: readonly Bank[], { spacing, method, steps }: RunParameters): void {
  for (const { info } of [original!, ...contents]) {
    const { spacing: spaced = "time", method: made = "ddim" } = info;
    if (made !== method)
      throw new UserError(`method "${method}": an inversion was made by "${made}"; invert and inject alike`);
    if (spaced !== spacing)
      throw new UserError(`spacing "${spacing}": an inversion is spaced by "${spaced}"; invert and inject alike`);
    if (isExact(method) && info.steps !== steps)
      throw new UserError(
        `steps ${steps}: an inversion by ${method} in ${info.steps} steps is run back in the same ${info.steps}`,
      );
  }
}

function sampleRun(parameters: RunParameters, contents: InjectRequest["contents"]): SampleRun {
  return {
    parameters,
    gammas: contents.map(({ gamma }) => gamma ?? parameters.gamma),
    // The official program does not match norms inside a mask.
    rules: contents.map(
      (c) =>
        c.rule ??
        (c.mask && parameters.faithful && parameters.rule === "slerp" ? "slerpRaw" : namedRule(parameters.rule)),
    ),
  };
}

/** A rule of one's own is in the shader; the row's is not read then. */
const namedRule = (rule: RunParameters["rule"]): MixRule => (typeof rule === "string" ? rule : "slerp");

/** Text of a mixing rule of one's own, if that is what it is. */
const ownText = (rule: RunParameters["rule"]): string | undefined => (typeof rule === "string" ? undefined : rule.wgsl);

/** @throws UserError for parameters that have to agree within a batch and do not */
function checkShared(variants: readonly RunParameters[]): void {
  const one = variants[0]!;
  for (const parameters of variants) {
    const key = (["steps", "top", "faithful", "replaceSteps", "solver", "spacing", "method"] as const).find(
      (name) => parameters[name] !== one[name],
    );
    if (key) throw new UserError(`${key} differs within a batch (${one[key]} and ${parameters[key]}); run them apart`);
    if (ownText(parameters.rule) !== ownText(one.rule))
      throw new UserError("a mixing rule in WGSL holds for a whole batch; run the variants apart");
    if ((parameters.omega === "off") !== (one.omega === "off"))
      throw new UserError("calibration is on for some of a batch and off for others; run them apart");
  }
}
