import type { ImageInput, InvertOptions, RunOptions } from "../api";
import { UserError } from "../errors";
import type { Buffers } from "../gpu/buffers";
import type { Device } from "../gpu/device";
import { abortable } from "../gpu/patience";
import { hShape, isConditional, type PictureShape, pictureShape, type UNetConfig } from "../model/config";
import { checkLabels, type Evaluation, type Network, type WeightStorage } from "../model/network";
import { networkOps } from "../model/ops";
import type { Schedule } from "../model/schedule";
import type { Bank, InversionInfo } from "./bank";
import { Direction, Directions } from "./directions";
import { giveInjection } from "./given";
import { hooksOf } from "./hooks";
import { placedPixels, placeImages, sourceOf } from "./images";
import { Inversion } from "./inversion";
import { inversionOf } from "./inversion-options";
import type { InjectOptions, ReconstructOptions, SampleOptions } from "./options";
import type { PresetName } from "./parameters";
import type { RunPlan } from "./plan";
import { planInject } from "./plan-inject";
import { inversionTimes, planInvert } from "./plan-invert";
import { planSample } from "./plan-sample";
import type { Platform } from "./platform";
import { checkReconstruct, pictureList, resolveInvert, resolveSample } from "./requests";
import { type InjectRequest, matchBanks, resolveInject, type Source } from "./resolve";
import { Result } from "./result";
import { type NetworkOrigin, Runner } from "./runner";
import { Store } from "./store";

/** What a model is called and what suits it. */
export interface ModelOptions extends NetworkOrigin {
  readonly name: string;
  /** class of every picture, for class-conditional networks, where a call gives none */
  readonly label?: number | undefined;
  /** injection parameters that suit it */
  readonly preset?: PresetName | undefined;
}

/** A pretrained diffusion U-Net, ready to invert, inject and generate. */
export class Model {
  readonly name: string;
  /** Class of every picture where a call gives none, for class-conditional networks. */
  readonly label: number | undefined;
  /** The injection parameters that suit it, where a call names no preset. */
  readonly preset: PresetName;
  readonly #runner: Runner;
  readonly #platform: Platform;

  /** @internal */
  constructor(network: Network, platform: Platform, { name, label, preset = "quick", ...origin }: ModelOptions) {
    this.#runner = new Runner(network, origin);
    this.#platform = platform;
    this.name = name;
    this.label = label;
    this.preset = preset;
  }

  /** @internal */
  get network(): Network {
    return this.#runner.network;
  }
  /** The device that the model runs on. */
  get device(): Device {
    return this.network.device;
  }
  /** The configuration of the network. */
  get config(): UNetConfig {
    return this.network.config;
  }
  /** Noise that the network was trained on, meaning of its output, and how its scheduler samples. */
  get schedule(): Schedule {
    return this.network.schedule;
  }
  /** Identity of the weights (SHA-256). */
  get hash(): string {
    return this.network.hash;
  }
  /** Channels and size of its pictures. */
  get pictureShape(): PictureShape {
    return pictureShape(this.config);
  }
  /** Side of its pictures in pixels, the longer one where they are not square. */
  get resolution(): number {
    return Math.max(this.config.height, this.config.width);
  }
  /** Number of values in the network's weights. */
  get parameterCount(): number {
    return this.network.parameters;
  }
  /** How the weights are stored on the GPU, and what f16 did to them. */
  get storage(): WeightStorage {
    return this.network.storage;
  }
  /** [C, H, W] of the bottleneck h. */
  get hShape(): readonly [number, number, number] {
    return hShape(this.config);
  }
  /** Names of the tensors after which contents can be mixed in, in order. */
  get taps(): string[] {
    return this.#tensors()
      .filter(({ shape }) => shape.length === 4)
      .map(({ name }) => name);
  }

  /** One evaluation of the network: eps and h of x at time step t.
   *  @param x f32 [N, 3, side, side] @param t one time step for all samples, or one each
   *  @throws UserError if x is no whole number of images, or t is no number from 0 */
  forward(x: Float32Array, t: number | readonly number[], labels?: readonly number[]): Promise<Evaluation> {
    const batch = x.length / (this.config.inChannels * this.config.height * this.config.width);
    return this.#runner.life.during(() => this.network.forward(x, t, labels ?? this.#defaultLabels(batch)));
  }

  /** Inversion of one picture or a batch: x_T, and h of every step, kept on the GPU.
   *  @throws UserError for a bad picture or number of steps; NonFiniteError; the signal's reason when cancelled */
  async invert(images: ImageInput | readonly ImageInput[], options: InvertOptions = {}): Promise<Inversion> {
    this.#runner.life.check();
    const list = pictureList(images);
    const { tap, ...asked } = resolveInvert(options);
    const plan = this.#planInvert(list.length, { ...asked, tap }, options.labels);
    const decoding = Promise.all(list.map((image) => placedPixels(image, this.#platform.decode, this.config)));
    const pictures = await abortable(decoding, options.signal);
    const info = { ...this.#inversionInfo({ ...asked, tap }), sources: pictures.map((p) => sourceOf(p, this.config)) };
    return this.#runner.run(
      plan,
      {
        stores: [],
        given: async (own) => {
          const buffer = own.make("images", bytesOf(plan.given.images!));
          await placeImages(this.device, pictures, this.pictureShape, buffer, options.signal);
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

  /** Content injection: the original, carrying the content's shape or identity.   Jeong et al. 2023
   *  Pictures are inverted first, together. Pairs of a batch: `content` and `original` hold as many pictures, or one of them
   *  a single picture for all.
   *  @throws UserError for options out of range or inversions that do not fit; NonFiniteError; the signal's reason */
  async inject(options: InjectOptions): Promise<Result> {
    this.#runner.life.check();
    const request = resolveInject(options, this.preset);
    this.#checkInversions(request);
    const pictures = picturesOf(request);
    const made = pictures.length > 0 ? await this.invert(pictures, this.#invertFor(request, options)) : undefined;
    try {
      const storeOf = (source: Source) =>
        source instanceof Direction ? source.directions.store : (source instanceof Inversion ? source : made!).store;
      const bankOf = (source: Source) => bankIn(source, pictures, made!);
      const plan = this.#planInject(request, options, bankOf);
      const { noise } = hooksOf(options);
      const original = { bank: bankOf(request.original), store: storeOf(request.original) };
      const contents = request.contents.map(({ source }) => storeOf(source));
      const sources = { request, original, contents, noise };
      const { resume, ...rest } = options;
      return await this.#runner.run(
        plan,
        {
          stores: [original.store, ...contents],
          given: (own) => giveInjection(this.device, plan, sources, own, options.signal),
          finish: (kept, _, keep) => this.#result(kept, keep, this.#describe(plan, request, original.bank)),
        },
        { ...rest, ...(resume?.phase === "generate" && { resume }) },
      );
    } finally {
      made?.dispose();
    }
  }

  /** The plans that `inject` runs for these options, that of inverting their pictures first. Nothing runs. */
  planInject(options: InjectOptions): RunPlan[] {
    const request = resolveInject(options, this.preset);
    this.#checkInversions(request);
    const pictures = picturesOf(request);
    const asked = resolveInvert(this.#invertFor(request, {}));
    const info = { ...this.#inversionInfo(asked), sources: pictures.map(() => undefined) };
    const made: Bank = {
      info,
      samples: [],
      times: inversionTimes(asked, this.schedule),
    };
    const inject = this.#planInject(request, options, (source) => bankIn(source, pictures, made));
    return pictures.length > 0 ? [this.#planInvert(pictures.length, asked, undefined), inject] : [inject];
  }

  /** The inverted pictures generated back, nothing injected. The nearer to the pictures, the better the inversion. */
  reconstruct(inversion: Inversion, options: ReconstructOptions = {}): Promise<Result> {
    checkReconstruct(options);
    const { top, spacing = "time", method = "ddim" } = inversion.info;
    const { steps = inversion.info.steps, solver = inversion.info.solver ?? "ddim" } = options;
    const off = { preset: "quick", gamma: 0, tBoost: 0 } as const;
    return this.inject({
      ...options,
      ...off,
      content: inversion,
      original: inversion,
      steps,
      solver,
      spacing,
      method,
      top,
    });
  }

  /** New pictures from seeded noise. Sample n of seed s is the same in any batch.
   *  @param options.eta 0: DDIM; 1: as noisy as the ancestral DDPM sampler, and equal to it at 1000 steps */
  async sample(options: SampleOptions = {}): Promise<Result> {
    this.#runner.life.check();
    const asked = resolveSample(options);
    const { streams, steps, seed, eta, solver } = asked;
    const labels = this.#labels(streams.length, options.labels);
    const plan = planSample(this.network.unet(streams.length), {
      ...asked,
      model: this.hash,
      labels,
      schedule: this.schedule,
    });
    const made = { model: this.name, modelHash: this.hash, steps, solver, eta, seed };
    const parameters = streams.map((stream) => ({ ...made, stream }));
    return this.#runner.run(
      plan,
      {
        stores: [],
        given: async () => new Map(),
        finish: (kept, _, keep) => this.#result(kept, keep, parameters),
      },
      options,
    );
  }

  /** Uploads an inversion saved by `Inversion.save`. @throws UserError when it was made with another model, or is damaged */
  loadInversion(bytes: Uint8Array, name?: string): Promise<Inversion> {
    return this.#runner.life.during(() => Inversion.load(this.device, bytes, this.hash, name));
  }

  /** Uploads directions saved by `Directions.save`, or made by `injectfusion directions`.
   *  @throws UserError when they are of another model, or damaged */
  loadDirections(bytes: Uint8Array, name?: string): Promise<Directions> {
    return this.#runner.life.during(() => Directions.load(this.device, bytes, this.hash, name));
  }

  /** Frees the model once the last run that uses it has ended. */
  dispose(): void {
    this.#runner.life.dispose();
  }

  /** Frees the model: what `using` calls. */
  [Symbol.dispose](): void {
    this.dispose();
  }

  /** [C, H, W] of a tensor of the network. @throws UserError for a tap that is not there */
  tapShape(tap: string): readonly [number, number, number] {
    const { h } = this.network.unet(1);
    if (tap === h) return this.hShape;
    const shape = this.#tensors().find(({ name }) => name === tap)?.shape;
    if (shape?.length !== 4) throw new UserError(`no tap "${tap}" in this network; h is "${h}"`);
    return [shape[1]!, shape[2]!, shape[3]!];
  }

  #tensors() {
    return this.network.lower(this.network.unet(1).graph, networkOps).nodes.map(({ output }) => output);
  }

  async #result(kept: Buffers, keep: (store: Store) => Promise<void>, parameters: Result["parameters"]) {
    const store = new Store(kept, parameters.length, { name: "this result", cure: "run again" });
    await keep(store);
    return new Result(store, this.#platform, this.pictureShape, parameters);
  }

  #planInvert(batch: number, asked: ReturnType<typeof resolveInvert>, labels: readonly number[] | undefined): RunPlan {
    const { tap, h: shape } = this.#inversionInfo(asked);
    return planInvert(this.network.unet(batch), {
      ...asked,
      model: this.hash,
      tap,
      shape,
      labels: this.#labels(batch, labels),
      schedule: this.schedule,
    });
  }

  #planInject(request: InjectRequest, options: InjectOptions, bankOf: (source: Source) => Bank): RunPlan {
    const banks = request.contents.map(({ source }) => bankOf(source));
    const matched = matchBanks(request, bankOf(request.original), banks, this.hash);
    const batch = matched.samples.length;
    const { noise, mutate } = hooksOf(options);
    const labels = this.#labels(batch, options.labels);
    const givenNoise = noise && ((k: number) => noise(k) !== undefined);
    return planInject(this.network.unet(batch), {
      ...matched,
      labels,
      mutate,
      schedule: this.schedule,
      ...(givenNoise && { givenNoise }),
    });
  }

  /** How the pictures of an injection are inverted. */
  #invertFor({ variants, tap }: InjectRequest, options: RunOptions & { labels?: readonly number[] }): InvertOptions {
    const { signal, onStep, snapshotEvery, onSnapshot, recover, resume } = options;
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

  #inversionInfo({ tap = this.network.unet(1).h, ...asked }: ReturnType<typeof resolveInvert>) {
    const h = this.tapShape(tap);
    return { model: this.hash, ...asked, picture: this.pictureShape, h, tap } satisfies Omit<InversionInfo, "sources">;
  }

  /** @throws UserError for an inversion that was disposed, or is on another device */
  #checkInversions({ original, contents }: InjectRequest): void {
    for (const source of [original, ...contents.map((c) => c.source)]) {
      if (source instanceof Direction) source.directions.store.life.check();
      else if (source instanceof Inversion) source.check();
      else continue;
      const { device } = source instanceof Direction ? source.directions : source;
      if (device !== this.device)
        throw new UserError(
          "this inversion is on another device; invert the picture with this model, or save it and load it here",
        );
    }
  }

  #defaultLabels(batch: number): number[] | undefined {
    return this.label === undefined ? undefined : Array<number>(batch).fill(this.label);
  }

  #labels(batch: number, given: readonly number[] | undefined): number[] | undefined {
    const { config } = this;
    return isConditional(config) ? checkLabels(given ?? this.#defaultLabels(batch), batch, config) : undefined;
  }

  /** What each picture is made with. */
  #describe(plan: RunPlan, { variants, contents, regions }: InjectRequest, original: Bank): Result["parameters"] {
    const injected = plan.steps.filter(({ graph }) => graph !== "plain");
    return plan.steps[0]!.samples.map((_, n) => {
      const parameters = variants[n % variants.length]!;
      const shares = (k: number) => injected.map(({ samples }) => samples[n]!.gammas![k]!);
      const shown = (gamma: typeof parameters.gamma, k: number) => (typeof gamma === "function" ? shares(k) : gamma);
      return {
        model: this.name,
        modelHash: this.hash,
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
}

const bytesOf = (shape: readonly number[]): number => 4 * shape.reduce((a, b) => a * b, 1);

/** The pictures of a request, each once. */
const picturesOf = ({ original, contents }: InjectRequest): ImageInput[] => [
  ...new Set(
    [original, ...contents.map(({ source }) => source)].flatMap((source) =>
      source instanceof Inversion || source instanceof Direction ? [] : [...source],
    ),
  ),
];

/** A source as part of the inversions at hand: `made` holds those of the pictures. */
const bankIn = (source: Source, pictures: readonly ImageInput[], made: Bank): Bank =>
  source instanceof Direction
    ? source.bank
    : source instanceof Inversion
      ? source
      : { info: made.info, times: made.times, samples: source.map((picture) => pictures.indexOf(picture)) };
