import type { ImageInput, InvertOptions } from "../api";
import type { Device } from "../gpu/device";
import { hShape, type PictureShape, pictureShape, type UNetConfig } from "../model/config";
import type { Evaluation, Network, WeightStorage } from "../model/network";
import type { Schedule } from "../model/schedule";
import { Directions } from "./directions";
import { Inversion } from "./inversion";
import type { InjectOptions, ReconstructOptions, SampleOptions } from "./options";
import type { PresetName } from "./parameters";
import type { RunPlan } from "./plan";
import type { Platform } from "./platform";
import type { Result } from "./result";
import { type NetworkOrigin, Runner } from "./runner";
import { evaluate, inject, invert, reconstruct, sample } from "./runs";
import { injectionPlans, type Subject } from "./subject";
import { tapNames, tapShape } from "./taps";

/** Name and defaults of a model. */
export interface ModelOptions extends NetworkOrigin {
  readonly name: string;
  /** class of every picture, for class-conditional networks, where a call gives none */
  readonly label?: number | undefined;
  /** injection parameters that suit it */
  readonly preset?: PresetName | undefined;
}

/** A pretrained diffusion U-Net, ready to invert, inject and generate. */
export class Model {
  readonly #subject: Subject;

  /** @internal */
  constructor(network: Network, platform: Platform, { name, label, preset = "quick", ...origin }: ModelOptions) {
    this.#subject = { runner: new Runner(network, origin), platform, name, label, preset };
  }

  /** @internal */
  get network(): Network {
    return this.#subject.runner.network;
  }
  /** Name of the model. */
  get name(): string {
    return this.#subject.name;
  }
  /** Class of every picture where a call gives none, for class-conditional networks. */
  get label(): number | undefined {
    return this.#subject.label;
  }
  /** The injection parameters that suit it, where a call names no preset. */
  get preset(): PresetName {
    return this.#subject.preset;
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
    return tapNames(this.network);
  }
  /** [C, H, W] of a tensor of the network. @throws UserError for a tap that is not there */
  tapShape(tap: string): readonly [number, number, number] {
    return tapShape(this.network, tap);
  }

  /** One evaluation of the network: eps and h of x at time step t.
   *  @param x f32 [N, 3, side, side] @param t one time step for all samples, or one each
   *  @throws UserError if x is no whole number of images, or t is no number from 0 */
  forward(x: Float32Array, t: number | readonly number[], labels?: readonly number[]): Promise<Evaluation> {
    return evaluate(this.#subject, x, t, labels);
  }

  /** Inversion of one picture or a batch: x_T, and h of every step, kept on the GPU.
   *  @throws UserError for a bad picture or number of steps; NonFiniteError; the signal's reason when cancelled */
  async invert(images: ImageInput | readonly ImageInput[], options: InvertOptions = {}): Promise<Inversion> {
    return invert(this.#subject, images, options);
  }

  /** Content injection: the original, carrying the content's shape or identity.   Jeong et al. 2023
   *  Pictures are inverted first, together. Pairs of a batch: `content` and `original` hold as many pictures, or one of them
   *  a single picture for all.
   *  @throws UserError for options out of range or inversions that do not fit; NonFiniteError; the signal's reason */
  async inject(options: InjectOptions): Promise<Result> {
    return inject(this.#subject, options);
  }

  /** The plans that `inject` runs for these options, that of inverting their pictures first. Nothing runs. */
  planInject(options: InjectOptions): RunPlan[] {
    return injectionPlans(this.#subject, options);
  }

  /** The inverted pictures generated back, nothing injected. The nearer to the pictures, the better the inversion. */
  async reconstruct(inversion: Inversion, options: ReconstructOptions = {}): Promise<Result> {
    return reconstruct(this.#subject, inversion, options);
  }

  /** New pictures from seeded noise. Sample n of seed s is the same in any batch.
   *  @param options.eta 0: DDIM; 1: as noisy as the ancestral DDPM sampler, and equal to it at 1000 steps */
  async sample(options: SampleOptions = {}): Promise<Result> {
    return sample(this.#subject, options);
  }

  /** Uploads an inversion saved by `Inversion.save`. @throws UserError when it was made with another model, or is damaged */
  loadInversion(bytes: Uint8Array, name?: string): Promise<Inversion> {
    return this.#subject.runner.life.during(() => Inversion.load(this.device, bytes, this.hash, name));
  }

  /** Uploads directions saved by `Directions.save`, or made by `injectfusion directions`.
   *  @throws UserError when they are of another model, or damaged */
  loadDirections(bytes: Uint8Array, name?: string): Promise<Directions> {
    return this.#subject.runner.life.during(() => Directions.load(this.device, bytes, this.hash, name));
  }

  /** Frees the model once the last run that uses it has ended. */
  dispose(): void {
    this.#subject.runner.life.dispose();
  }

  /** Frees the model: what `using` calls. */
  [Symbol.dispose](): void {
    this.dispose();
  }
}
