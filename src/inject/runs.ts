import type { ImageInput, InvertOptions } from "../api";
import type { Buffers } from "../gpu/buffers";
import { abortable } from "../gpu/patience";
import { byteLength, f32 } from "../kernels/dispatch";
import { pictureShape } from "../model/config";
import type { Evaluation } from "../model/network";
import type { Bank } from "./bank";
import { Direction } from "./directions";
import { giveInjection } from "./given";
import { hooksOf } from "./hooks";
import { placedPixels, placeImages, sourceOf } from "./images";
import { Inversion } from "./inversion";
import type { InjectOptions, ReconstructOptions, SampleOptions } from "./options";
import type { RunPlan } from "./plan";
import { planSample } from "./plan-sample";
import { checkReconstruct, pictureList, resolveInvert, resolveSample } from "./requests";
import type { InjectRequest, Source } from "./resolve";
import { Result } from "./result";
import { Store } from "./store";
import {
  bankIn,
  defaultLabels,
  inversionInfo,
  invertFor,
  labelsOf,
  picturesOf,
  planInjection,
  planInversion,
  requestOf,
  type Subject,
} from "./subject";

/** Evaluates the network once: see `Model.forward`. */
export function evaluate(
  subject: Subject,
  x: Float32Array,
  t: number | readonly number[],
  labels: readonly number[] | undefined,
): Promise<Evaluation> {
  const { life, network } = subject.runner;
  const { inChannels, height, width } = network.config;
  const classes = labels ?? defaultLabels(subject, x.length / (inChannels * height * width));
  return life.during(() => network.forward(x, t, classes));
}

/** Inverts pictures: see `Model.invert`. */
export async function invert(
  subject: Subject,
  images: ImageInput | readonly ImageInput[],
  options: InvertOptions,
): Promise<Inversion> {
  const { runner, platform } = subject;
  runner.life.check();
  const list = pictureList(images);
  const asked = resolveInvert(options, subject.preset);
  const plan = planInversion(subject, list.length, asked, options.labels);
  const { config } = runner.network;
  const decoding = Promise.all(list.map((image) => placedPixels(image, platform.decode, config)));
  const pictures = await abortable(decoding, options.signal);
  const info = { ...inversionInfo(subject, asked), sources: pictures.map((picture) => sourceOf(picture, config)) };
  return runner.run(
    plan,
    {
      stores: [],
      given: async (own) => {
        const buffer = own.make("images", byteLength(f32("images", ...plan.given.images!)));
        await placeImages(runner.network.device, pictures, info.picture, buffer, options.signal);
        await own.ready();
        return new Map([["images", buffer]]);
      },
      finish: async (kept, own, keep) => {
        own.move("images", kept);
        const store = new Store(kept, pictures.length);
        await keep(store);
        return Inversion.of(info, store);
      },
    },
    options,
  );
}

/** Injects, and inverts the pictures among the sources first, together: see `Model.inject`. */
export async function inject(subject: Subject, options: InjectOptions): Promise<Result> {
  const { runner } = subject;
  runner.life.check();
  const request = requestOf(subject, options);
  const pictures = picturesOf(request);
  const made = pictures.length > 0 ? await invert(subject, pictures, invertFor(request, options)) : undefined;
  try {
    const storeOf = (source: Source) =>
      source instanceof Direction ? source.directions.store : (source instanceof Inversion ? source : made!).store;
    const bankOf = (source: Source) => bankIn(source, pictures, made!);
    const plan = planInjection(subject, request, options, bankOf);
    const original = { bank: bankOf(request.original), store: storeOf(request.original) };
    const contents = request.contents.map(({ source }) => storeOf(source));
    const sources = { request, original, contents, noise: hooksOf(options).noise };
    const { resume, ...rest } = options;
    return await runner.run(
      plan,
      {
        stores: [original.store, ...contents],
        given: (own) => giveInjection(runner.network.device, plan, sources, own, options.signal),
        finish: (kept, _, keep) => resultOf(subject, kept, keep, describe(subject, plan, request, original.bank)),
      },
      { ...rest, ...(resume?.phase === "generate" && { resume }) },
    );
  } finally {
    made?.dispose();
  }
}

/** Generates an inversion's pictures back, as an injection of nothing: see `Model.reconstruct`. */
export function reconstruct(subject: Subject, inversion: Inversion, options: ReconstructOptions): Promise<Result> {
  checkReconstruct(options);
  const { top, spacing = "time", method = "ddim" } = inversion.info;
  const { steps = inversion.info.steps, solver = inversion.info.solver ?? "ddim" } = options;
  const off = { preset: "quick", gamma: 0, tBoost: 0 } as const;
  const source = { content: inversion, original: inversion };
  return inject(subject, { ...options, ...off, ...source, steps, solver, spacing, method, top });
}

/** Generates pictures from seeded noise: see `Model.sample`. */
export async function sample(subject: Subject, options: SampleOptions): Promise<Result> {
  const { runner, name } = subject;
  runner.life.check();
  const asked = resolveSample(options);
  const { streams, steps, seed, eta, solver } = asked;
  const { network } = runner;
  const labels = labelsOf(subject, streams.length, options.labels);
  const plan = planSample(network.unet(streams.length), {
    ...asked,
    model: network.hash,
    labels,
    schedule: network.schedule,
  });
  const made = { model: name, modelHash: network.hash, steps, solver, eta, seed };
  const parameters = streams.map((stream) => ({ ...made, stream }));
  return runner.run(
    plan,
    {
      stores: [],
      given: async () => new Map(),
      finish: (kept, _, keep) => resultOf(subject, kept, keep, parameters),
    },
    options,
  );
}

async function resultOf(
  { runner, platform }: Subject,
  kept: Buffers,
  keep: (store: Store) => Promise<void>,
  parameters: Result["parameters"],
): Promise<Result> {
  const store = new Store(kept, parameters.length, { name: "this result", cure: "run again" });
  await keep(store);
  return new Result(store, platform, pictureShape(runner.network.config), parameters);
}

/** Lists the parameters of each picture. */
function describe(
  { runner, name }: Subject,
  plan: RunPlan,
  { variants, contents, regions }: InjectRequest,
  original: Bank,
): Result["parameters"] {
  const injected = plan.steps.filter(({ graph }) => graph !== "plain");
  return plan.steps[0]!.samples.map((_, n) => {
    const parameters = variants[n % variants.length]!;
    const shares = (k: number) => injected.map(({ samples }) => samples[n]!.gammas![k]!);
    const shown = (gamma: typeof parameters.gamma, k: number) => (typeof gamma === "function" ? shares(k) : gamma);
    return {
      model: name,
      modelHash: runner.network.hash,
      ...parameters,
      gamma: shown(parameters.gamma, 0),
      ...(contents.length > 1 && {
        gammas: contents.map(({ gamma = parameters.gamma }, k) => shown(gamma, k)),
      }),
      ...(regions.length > 0 && { omegas: regions.map(({ omega }) => omega) }),
      stepsInversion: original.info.steps,
    };
  });
}
