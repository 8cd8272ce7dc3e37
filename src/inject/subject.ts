import type { ImageInput, InvertOptions, RunOptions } from "../api";
import { UserError } from "../errors";
import { isConditional, pictureShape } from "../model/config";
import { checkLabels } from "../model/network";
import type { Bank, InversionInfo } from "./bank";
import { Direction } from "./directions";
import { hooksOf } from "./hooks";
import { Inversion } from "./inversion";
import { inversionOf } from "./inversion-options";
import type { InjectOptions } from "./options";
import type { PresetName } from "./parameters";
import type { RunPlan } from "./plan";
import { planInject } from "./plan-inject";
import { inversionTimes, planInvert } from "./plan-invert";
import type { Platform } from "./platform";
import { resolveInvert } from "./requests";
import { type InjectRequest, matchBanks, resolveInject, type Source } from "./resolve";
import type { Runner } from "./runner";
import { tapShape } from "./taps";

/** A model as plans and runs see it. Its network is the runner's, and changes when a run recovers. */
export interface Subject {
  readonly runner: Runner;
  readonly platform: Platform;
  readonly name: string;
  /** class of every picture where a call gives none */
  readonly label: number | undefined;
  readonly preset: PresetName;
}

/** How an inversion is asked for, checked and complete. */
export type Asked = ReturnType<typeof resolveInvert>;

/** The model's class for every picture of a batch, if it has one. */
export const defaultLabels = ({ label }: Subject, batch: number): number[] | undefined =>
  label === undefined ? undefined : Array<number>(batch).fill(label);

/** Classes of a batch; undefined for networks without classes. @throws UserError for classes that the network lacks */
export function labelsOf(subject: Subject, batch: number, given: readonly number[] | undefined): number[] | undefined {
  const { config } = subject.runner.network;
  return isConditional(config) ? checkLabels(given ?? defaultLabels(subject, batch), batch, config) : undefined;
}

/** Facts of an inversion to come, without its pictures. */
export function inversionInfo({ runner: { network } }: Subject, asked: Asked): Omit<InversionInfo, "sources"> {
  const { tap = network.unet(1).h, ...rest } = asked;
  const picture = pictureShape(network.config);
  return { model: network.hash, ...rest, picture, h: tapShape(network, tap), tap };
}

/** The plan of an inversion of `batch` pictures. */
export function planInversion(
  subject: Subject,
  batch: number,
  asked: Asked,
  labels: readonly number[] | undefined,
): RunPlan {
  const { network } = subject.runner;
  const { tap, h: shape } = inversionInfo(subject, asked);
  return planInvert(network.unet(batch), {
    ...asked,
    model: network.hash,
    tap,
    shape,
    labels: labelsOf(subject, batch, labels),
    schedule: network.schedule,
  });
}

/** The plan of an injection whose inversions are at hand: bankOf says what is stored of each. */
export function planInjection(
  subject: Subject,
  request: InjectRequest,
  options: InjectOptions,
  bankOf: (source: Source) => Bank,
): RunPlan {
  const { network } = subject.runner;
  const banks = request.contents.map(({ source }) => bankOf(source));
  const matched = matchBanks(request, bankOf(request.original), banks, network.hash);
  const batch = matched.samples.length;
  const { noise, mutate } = hooksOf(options);
  const givenNoise = noise && ((k: number) => noise(k) !== undefined);
  return planInject(network.unet(batch), {
    ...matched,
    labels: labelsOf(subject, batch, options.labels),
    mutate,
    schedule: network.schedule,
    ...(givenNoise && { givenNoise }),
  });
}

/** The plans that an injection runs, that of inverting its pictures first. */
export function injectionPlans(subject: Subject, options: InjectOptions): RunPlan[] {
  const request = requestOf(subject, options);
  const pictures = picturesOf(request);
  const asked = resolveInvert(invertFor(request, {}), subject.preset);
  const info = { ...inversionInfo(subject, asked), sources: pictures.map(() => undefined) };
  const made: Bank = { info, samples: [], times: inversionTimes(asked, subject.runner.network.schedule) };
  const inject = planInjection(subject, request, options, (source) => bankIn(source, pictures, made));
  return pictures.length > 0 ? [planInversion(subject, pictures.length, asked, undefined), inject] : [inject];
}

/** The options of an injection, checked and complete.
 *  @throws UserError for options out of range, and for an inversion that was disposed or is on another device */
export function requestOf({ runner: { network }, preset }: Subject, options: InjectOptions): InjectRequest {
  const request = resolveInject(options, preset);
  for (const source of [request.original, ...request.contents.map((c) => c.source)]) {
    if (source instanceof Direction) source.directions.store.life.check();
    else if (source instanceof Inversion) source.check();
    else continue;
    const { device } = source instanceof Direction ? source.directions : source;
    if (device !== network.device)
      throw new UserError(
        "this inversion is on another device; invert the picture with this model, or save it and load it here",
      );
  }
  return request;
}

/** How the pictures of an injection are inverted. */
export function invertFor(
  { variants, tap }: InjectRequest,
  { signal, onStep, snapshotEvery, onSnapshot, recover, resume }: RunOptions,
): InvertOptions {
  return {
    ...inversionOf(variants[0]!),
    ...(tap !== undefined && { tap }),
    ...(signal && { signal }),
    ...(onStep && { onStep }),
    ...(snapshotEvery !== undefined && { snapshotEvery }),
    ...(onSnapshot && { onSnapshot }),
    ...(recover !== undefined && { recover }),
    ...(resume?.phase === "invert" && { resume }),
  };
}

/** The pictures of a request, each once. */
export const picturesOf = ({ original, contents }: InjectRequest): ImageInput[] => [
  ...new Set(
    [original, ...contents.map(({ source }) => source)].flatMap((source) =>
      source instanceof Inversion || source instanceof Direction ? [] : [...source],
    ),
  ),
];

/** A source as part of the inversions at hand: `made` holds those of the pictures. */
export function bankIn(source: Source, pictures: readonly ImageInput[], made: Bank): Bank {
  if (source instanceof Direction) return source.bank;
  if (source instanceof Inversion) return source;
  return { info: made.info, times: made.times, samples: source.map((picture) => pictures.indexOf(picture)) };
}
