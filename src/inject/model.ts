import type { BareImage, ImageInput, ImageTensor, InvertOptions, Pixels, RunOptions, RunSnapshot } from "../api";
import { DeviceLostError, NonFiniteError, UserError } from "../errors";
import { readBuffer } from "../gpu/buffers";
import type { Device } from "../gpu/device";
import { firstNonFinite } from "../graph/profile";
import type { Programs } from "../graph/programs";
import { ALL_FINITE } from "../kernels/pointwise/non-finite";
import { MAX_CONTENTS } from "../kernels/step/step-row";
import { hShape, type UNetConfig } from "../model/config";
import { checkLabels, type Evaluation, type Network, type WeightStorage } from "../model/network";
import { alphaBars, generationSteps, timeSteps } from "../model/schedule";
import { officialMask, placedPixels, placeImages, placeMask, placeMasks, sourceOf, toPixels } from "./images";
import { Inversion } from "./inversion";
import { type StepGraph, stepOps } from "./ops";
import type { ContentInput, InjectOptions, OmegaRegion, SampleOptions } from "./options";
import { resolveParameters } from "./parameters";
import { generationPlan, inversionPlan, type RunStep, type SampleRun } from "./plan-run";
import { Result } from "./result";
import { encodeCopies, encodeStep, type RunFrom, runSteps } from "./run";
import { restore, runKey, Snapshots } from "./snapshots";
import { calibratedStep, injectedStep, plainStep, TENSOR } from "./step-graphs";
import { rowStride, type Step, stepTable } from "./step-table";
import type { Copy, Submission } from "./submission";

/** Turns any form of a picture into pixels: what differs between Node and browsers. */
export type Decode = (input: BareImage) => Promise<Pixels | ImageTensor>;

const STORAGE = 0x80 | 0x8 | 0x4; // STORAGE | COPY_DST | COPY_SRC

/** A pretrained diffusion U-Net, ready to invert, inject and generate. */
export class Model {
  constructor(
    readonly network: Network,
    readonly name: string,
    readonly decode: Decode,
    /** class of every picture, for class-conditional networks, where a call gives none */
    readonly label?: number,
  ) {}

  get device(): Device {
    return this.network.device;
  }
  get config(): UNetConfig {
    return this.network.config;
  }
  /** Identity of the weights (SHA-256). */
  get hash(): string {
    return this.network.hash;
  }
  /** Side of its images in pixels. */
  get resolution(): number {
    return this.config.resolution;
  }
  get parameterCount(): number {
    return this.network.parameters;
  }
  /** How the weights lie on the GPU, and what f16 did to them. */
  get storage(): WeightStorage {
    return this.network.storage;
  }

  /** One evaluation of the network: eps and h of x at time step t. See `Network.forward`. */
  forward(x: Float32Array, t: number | readonly number[], labels?: readonly number[]): Promise<Evaluation> {
    const batch = x.length / (this.config.inChannels * this.resolution ** 2);
    return this.network.forward(x, t, labels ?? this.#labels(batch));
  }

  /** DDIM inversion of one picture or a batch: x_T, and h of every step, kept on the GPU.
   *  @throws UserError for a bad picture or number of steps; NonFiniteError; the signal's reason when cancelled */
  async invert(images: ImageInput | readonly ImageInput[], options: InvertOptions = {}): Promise<Inversion> {
    const { steps = 50, top = 999, faithful = false } = options;
    const list: readonly ImageInput[] = Array.isArray(images) ? images : [images as ImageInput];
    if (list.length === 0) throw new UserError("no picture to invert");
    if (!Number.isInteger(steps) || steps < 2 || steps > top + 1)
      throw new UserError(`inversion steps ${steps}: needed a whole number from 2 to ${top + 1}`);
    const pictures = await Promise.all(list.map((image) => placedPixels(image, this.decode)));
    const batch = pictures.length;
    const net = this.network.unet(batch);
    const tap = options.tap ?? net.h;
    const plan = inversionPlan(steps, top, faithful);
    const samples = plan.map(({ t, next }, draw) => Array.from({ length: batch }, (): Step => ({ t, next, draw })));
    const run = await this.#open({ plain: plainStep(net, { keep: [tap] }) }, samples, faithful, options.labels);
    const { gpu } = this.device;
    const made: GPUBuffer[] = [];
    const make = (label: string, size: number) => {
      const buffer = gpu.createBuffer({ label, size, usage: STORAGE });
      made.push(buffer);
      return buffer;
    };
    try {
      const x = run.programs.bufferOf("plain", "x");
      const kept = make("images", x.size);
      await placeImages(this.device, pictures, this.resolution, kept);
      const xT = make("x_T", x.size);
      const h = run.programs.bufferOf("plain", tap);
      const next = run.programs.bufferOf("plain", TENSOR.next);
      const bank = new Map<number, GPUBuffer>();
      const last = plan.findLastIndex((s) => s.t !== s.next);
      const submissions = plan.map(({ t }, k): Submission => {
        const slot = make(`h.${t}`, h.size);
        bank.set(t, slot);
        const after: Copy[] = [
          { from: h, to: slot, bytes: h.size },
          { from: next, to: x, bytes: x.size },
        ];
        const keeps = [{ name: `h.${t}`, buffer: slot }];
        if (k === last) {
          after.push({ from: next, to: xT, bytes: x.size });
          keeps.push({ name: "x_T", buffer: xT });
        }
        const before = k === 0 ? [{ from: kept, to: x, bytes: x.size }] : [];
        return { program: "plain", row: k, t, before, after, keeps };
      });
      await run.go(submissions, "invert", options);
      const shape = tap === net.h ? hShape(this.config) : this.tapShape(tap);
      const sources = pictures.map(sourceOf);
      const info = { model: this.hash, steps, top, faithful, side: this.resolution, h: shape, sources, tap };
      return Inversion.of(this.device, info, { images: kept, xT, bank });
    } catch (error) {
      for (const buffer of made) buffer.destroy();
      throw error;
    } finally {
      run.close();
    }
  }

  /** Content injection: the original, carrying the content's shape or identity.   Jeong et al. 2023
   *  Pairs of a batch: `content` and `original` hold as many pictures, or one of them a single picture for all.
   *  @throws UserError for parameters out of range or inversions that do not fit; NonFiniteError; the signal's reason */
  async inject(options: InjectOptions): Promise<Result> {
    const { original } = options;
    const contents = contentList(options);
    const regions = omegaRegions(options, contents);
    const variants = options.variants ?? [{}];
    const pairs = Math.max(original.count, ...contents.map((c) => c.inversion.count));
    const runs = Array.from({ length: pairs }, () => variants).flat();
    const samples: SampleRun[] = runs.map((variant) => {
      const given = resolveParameters({ ...options, ...variant }, options.preset);
      const parameters = regions.length > 0 && given.omega === "off" ? { ...given, omega: 1 } : given;
      // The official program does not match norms inside a mask.
      const rules = contents.map(({ mask = options.mask }) =>
        mask && parameters.faithful && parameters.rule === "slerp" ? "slerpRaw" : parameters.rule,
      );
      return { parameters, gammas: contents.map((c) => c.gamma ?? parameters.gamma), rules };
    });
    const batch = samples.length;
    const { faithful } = samples[0]!.parameters;
    if (faithful && regions.length > 0)
      throw new UserError(
        "the official program has one omega for the whole picture; leave out faithful, or the regions",
      );
    this.#checkBatch(samples, [original, ...contents.map((c) => c.inversion)], pairs);
    const tap = options.tap ?? contents[0]!.inversion.info.tap;
    const odd = contents.find((c) => c.inversion.info.tap !== tap);
    if (odd)
      throw new UserError(
        `injection at "${tap}", but a content keeps "${odd.inversion.info.tap}"; invert it with that tap`,
      );

    const net = this.network.unet(batch);
    const givenNoise = options.noise !== undefined;
    const masks = await this.#masks(options, contents, original);
    const omegas = await this.#omegas(regions, contents, original);
    const spec = {
      tap,
      contents: contents.map((_, k) => ({ masked: masks[k] !== undefined })),
      omegaRegions: regions.length,
      givenNoise,
    };
    const times = contents[0]!.inversion.times;
    const plan = options.mutate?.(generationPlan(samples, times)) ?? generationPlan(samples, times);
    const used = new Set(plan.map((s) => s.program));
    const shape = contents[0]!.inversion.info.h;
    const graphs: Record<string, StepGraph> = {};
    if (used.has("plain")) graphs.plain = plainStep(net, { givenNoise });
    if (used.has("injected")) graphs.injected = injectedStep(net, spec, shape);
    if (used.has("calibrated")) graphs.calibrated = calibratedStep(net, spec, shape);
    const own = (name: string) => masks[contents.findIndex((_, k) => name === TENSOR.mask(k))] ?? omegas.get(name);
    const table = plan.map((s) => s.samples);
    const run = await this.#open(graphs, table, faithful, options.labels, own);
    try {
      const sampleOf = (inversion: Inversion, n: number) => {
        const pair = Math.floor(n / variants.length);
        return inversion.samples[inversion.count === 1 ? 0 : pair]!;
      };
      const pick = (from: GPUBuffer, of: Inversion, to: GPUBuffer): Copy[] => {
        const bytes = from.size / of.store.count;
        return Array.from({ length: batch }, (_, n) => ({
          from,
          fromOffset: sampleOf(of, n) * bytes,
          to,
          toOffset: n * bytes,
          bytes,
        }));
      };
      const any = Object.keys(graphs)[0]!;
      const x = run.programs.bufferOf(any, "x");
      const next = run.programs.bufferOf(any, TENSOR.next);
      const noise = await this.#noise(options.noise, plan, run.programs, any, x.size);
      const submissions = plan.map((s, k): Submission => {
        const before: Copy[] = k === 0 ? pick(original.alive().xT, original, x) : [];
        if (s.program !== "plain")
          contents.forEach(({ inversion }, c) => {
            const to = run.programs.bufferOf(s.program, TENSOR.content(c));
            before.push(...pick(bankAt(inversion, s.bankTime), inversion, to));
          });
        before.push(...noise(k));
        return { program: s.program, row: k, t: s.t, before, after: [{ from: next, to: x, bytes: x.size }] };
      });
      await run.go(submissions, "generate", options);
      const described = samples.map(({ parameters, gammas }) => ({
        model: this.name,
        modelHash: this.hash,
        ...parameters,
        ...(contents.length > 1 && { gammas }),
        ...(regions.length > 0 && { omegas: regions.map(({ omega }) => omega) }),
        stepsInversion: original.info.steps,
      }));
      return run.result(x, batch, described);
    } finally {
      run.close();
      for (const buffer of [...new Set(masks), ...omegas.values()]) buffer?.destroy();
    }
  }

  /** The inverted pictures generated back, nothing injected. The nearer to the pictures, the better the inversion. */
  reconstruct(
    inversion: Inversion,
    options: RunOptions & { steps?: number; faithful?: boolean; labels?: readonly number[] } = {},
  ) {
    const steps = options.steps ?? inversion.info.steps;
    const { top } = inversion.info;
    return this.inject({ ...options, content: inversion, original: inversion, gamma: 0, tBoost: 0, steps, top });
  }

  /** New pictures from seeded noise. Sample n of seed s is the same in any batch.
   *  @param options.eta 0: DDIM; 1: as noisy as the ancestral DDPM sampler, and equal to it at 1000 steps */
  async sample(options: SampleOptions = {}): Promise<Result> {
    const { count = 1, seed = 0, steps = 50, eta = 0, first = 0 } = options;
    if (!Number.isInteger(count) || count < 1) throw new UserError(`count ${count}: needed a whole number from 1`);
    if (!(eta >= 0 && eta <= 1)) throw new UserError(`eta ${eta}: needed 0 to 1`);
    const times = options.times ? [...options.times].sort((a, b) => a - b) : timeSteps(steps);
    const net = this.network.unet(count);
    const streams = Array.from({ length: count }, (_, n) => first + n);
    const plan = generationSteps(times);
    const table = [
      streams.map((stream): Step => ({ t: plan[0]!.t, next: plan[0]!.next, seed, stream, draw: 0xffffffff })),
      ...plan.map(({ t, next }, draw) => streams.map((stream): Step => ({ t, next, eta, seed, stream, draw }))),
    ];
    const start: StepGraph = {
      inputs: net.graph.inputs,
      nodes: [{ name: "x_T", op: { kind: "gaussian" }, inputs: { steps: "steps", like: "x" }, output: TENSOR.next }],
      outputs: [TENSOR.next],
    };
    const run = await this.#open({ start, plain: plainStep(net) }, table, false, options.labels);
    try {
      const x = run.programs.bufferOf("plain", "x");
      const after: Copy[] = [{ from: run.programs.bufferOf("plain", TENSOR.next), to: x, bytes: x.size }];
      const submissions = table.map((_, k): Submission => {
        const t = plan[Math.max(0, k - 1)]!.t;
        return { program: k === 0 ? "start" : "plain", row: k, t, after };
      });
      await run.go(submissions, "generate", options);
      const parameters = { model: this.name, modelHash: this.hash, steps: plan.length, eta, seed };
      return run.result(
        x,
        count,
        streams.map((stream) => ({ ...parameters, stream })),
      );
    } finally {
      run.close();
    }
  }

  /** Uploads an inversion saved by `Inversion.save`. @throws UserError when it was made with another model */
  loadInversion(bytes: Uint8Array, name?: string): Promise<Inversion> {
    return Inversion.load(this.device, bytes, this.hash, name);
  }

  dispose(): void {
    this.network.destroy();
  }

  [Symbol.dispose](): void {
    this.dispose();
  }

  /** [C, H, W] of a tensor of the network. @throws UserError for a tap that is not there */
  tapShape(tap: string): readonly [number, number, number] {
    const node = this.network.lower(this.network.unet(1).graph, stepOps).nodes.find((n) => n.output.name === tap);
    const shape = node?.output.shape;
    if (shape?.length !== 4) throw new UserError(`no tap "${tap}" in this network; h is "${this.network.unet(1).h}"`);
    return [shape[1]!, shape[2]!, shape[3]!];
  }

  #labels(batch: number): number[] | undefined {
    return this.label === undefined ? undefined : Array<number>(batch).fill(this.label);
  }

  #checkBatch(samples: readonly SampleRun[], inversions: readonly Inversion[], pairs: number): void {
    for (const inversion of inversions) {
      if (inversion.info.model !== this.hash)
        throw new UserError("an inversion was made with another model; invert the picture with this one");
      if (inversion.count !== 1 && inversion.count !== pairs)
        throw new UserError(`${inversion.count} pictures against ${pairs}: needed as many, or one for all`);
    }
    const shared = ["steps", "top", "faithful", "replaceSteps"] as const;
    const [{ parameters: one }] = samples as [SampleRun];
    for (const { parameters } of samples) {
      const odd = shared.find((key) => parameters[key] !== one[key]);
      if (odd)
        throw new UserError(`${odd} differs within a batch (${one[odd]} and ${parameters[odd]}); run them apart`);
      if ((parameters.omega === "off") !== (one.omega === "off"))
        throw new UserError("calibration is on for some of a batch and off for others; run them apart");
    }
    const top = inversions[0]!.info.top;
    if (one.top !== top) throw new UserError(`top ${one.top}: the original was inverted up to ${top}`);
  }

  async #masks(options: InjectOptions, contents: readonly ContentInput[], original: Inversion) {
    const shape = contents[0]!.inversion.info.h;
    const source = original.info.sources[original.samples[0]!];
    return Promise.all(
      contents.map(({ mask = options.mask }) => mask && placeMask(this.device, mask, shape[1], source)),
    );
  }

  /** What a calibrated step with regions reads, by tensor. */
  async #omegas(regions: readonly OmegaRegion[], contents: readonly ContentInput[], original: Inversion) {
    const buffers = new Map<string, GPUBuffer>();
    if (regions.length === 0) return buffers;
    const [, height, width] = contents[0]!.inversion.info.h;
    const masks = regions.map(({ mask }) => (mask === "official" ? officialMask(height, width) : mask));
    const source = original.info.sources[original.samples[0]!];
    buffers.set(TENSOR.omegaMasks, await placeMasks(this.device, masks, this.resolution, source));
    const values = this.device.gpu.createBuffer({ label: "omegas", size: 4 * regions.length, usage: STORAGE });
    this.device.gpu.queue.writeBuffer(
      values,
      0,
      Float32Array.from(regions, ({ omega }) => omega),
    );
    return buffers.set(TENSOR.omegas, values);
  }

  /** Recorded noise, uploaded at once before the first step. @returns the copies that feed step k */
  async #noise(
    given: InjectOptions["noise"],
    plan: readonly RunStep[],
    programs: Programs,
    any: string,
    bytes: number,
  ): Promise<(k: number) => Copy[]> {
    if (!given) return () => [];
    const all = plan.map((_, k) => given(k));
    const bank = programs.buffers.make("noise bank", bytes * plan.length);
    all.forEach((values, k) => {
      if (values) this.device.gpu.queue.writeBuffer(bank, k * bytes, new Float32Array(values));
    });
    const to = programs.bufferOf(any, TENSOR.noise);
    return (k) => (all[k] ? [{ from: bank, fromOffset: k * bytes, to, bytes }] : []);
  }

  /** Compiles step graphs and uploads their table. */
  async #open(
    graphs: Readonly<Record<string, StepGraph>>,
    table: readonly (readonly Step[])[],
    faithful: boolean,
    labels: readonly number[] | undefined,
    given?: (name: string) => GPUBuffer | undefined,
  ) {
    const { device } = this;
    const batch = table[0]!.length;
    const bytes = stepTable(table, alphaBars(faithful ? "f32" : "f64"));
    const steps = device.gpu.createBuffer({ label: "steps", size: bytes.length, usage: STORAGE });
    device.gpu.queue.writeBuffer(steps, 0, bytes);
    const { classes } = this.config;
    const classBuffer =
      classes > 0 ? device.gpu.createBuffer({ label: "labels", size: 4 * batch, usage: STORAGE }) : undefined;
    if (classBuffer)
      device.gpu.queue.writeBuffer(classBuffer, 0, checkLabels(labels ?? this.#labels(batch), batch, classes));
    const own = (name: string) => (name === "steps" ? steps : name === "labels" ? classBuffer : given?.(name));
    const close = () => {
      steps.destroy();
      classBuffer?.destroy();
    };
    let programs: Programs;
    try {
      programs = await this.network.compile(graphs, stepOps, own);
    } catch (error) {
      close();
      throw error;
    }
    return new Run(this, programs, batch, bytes, close);
  }
}

/** One run's GPU resources. */
class Run {
  constructor(
    readonly model: Model,
    readonly programs: Programs,
    readonly batch: number,
    readonly table: Uint8Array<ArrayBuffer>,
    readonly release: () => void,
  ) {}

  /** Runs every step, from that of `options.resume` on.
   *  @throws NonFiniteError naming step and node, if a value is not finite; DeviceLostError, with the newest snapshot */
  async go(submissions: readonly Submission[], phase: RunSnapshot["phase"], options: RunOptions): Promise<void> {
    const { resume, snapshotEvery } = options;
    const { device } = this.model;
    const x = this.programs.bufferOf(Object.keys(this.programs.recordings)[0]!, "x");
    const key = resume || snapshotEvery ? runKey(this.model.hash, phase, submissions, this.table) : "";
    const snapshots =
      snapshotEvery === undefined
        ? undefined
        : new Snapshots(device, x, submissions, { phase, run: key }, { ...options, snapshotEvery });
    const start = () => {
      if (resume) restore(device, resume, key, submissions, x);
    };
    try {
      start();
      await this.#steps(submissions, phase, options, start, { first: resume?.step ?? 0, snapshots });
    } catch (error) {
      if (!(error instanceof DeviceLostError)) throw error;
      throw new DeviceLostError(error.message, snapshots?.last ?? resume);
    } finally {
      snapshots?.close();
    }
  }

  async #steps(
    submissions: readonly Submission[],
    phase: RunSnapshot["phase"],
    options: RunOptions,
    restart: () => void,
    from: RunFrom & { readonly first: number },
  ): Promise<void> {
    const { model, programs, batch } = this;
    const { device, resolution } = model;
    const any = Object.keys(programs.recordings).find((name) => name !== "start")!;
    const flag = programs.bufferOf(any, TENSOR.flag);
    device.gpu.queue.writeBuffer(flag, 0, new Uint32Array([ALL_FINITE]));
    const stride = rowStride(batch);
    const x0 = programs.bufferOf(any, TENSOR.x0);
    const preview = () => toPixels(device, x0, batch, resolution);
    await runSteps(device, programs, submissions, stride, phase, options, preview, from);
    const draw = new Uint32Array(await readBuffer(device, flag))[0]!;
    if (draw === ALL_FINITE) return;
    // The run is repeated up to the step that went wrong, and that step is taken node by node.
    const at = submissions.findIndex((s) => s.program !== "start") + draw;
    const { program, row, t, before = [] } = submissions[at]!;
    restart();
    for (const done of submissions.slice(from.first, at))
      device.gpu.queue.submit([encodeStep(device, programs, done, stride)]);
    device.gpu.queue.submit([encodeCopies(device, before)]);
    const node = await firstNonFinite(
      device,
      programs.recordings[program]!,
      (name) => programs.rangeOf(program, name),
      row * stride,
    );
    const where = node ? `node ${node}` : "a value that was there for one step only";
    throw new NonFiniteError(
      `step ${draw + 1} of ${phase === "invert" ? "the inversion" : "the generation"} (t = ${t}) gave a value that is not finite, from ${where}; check the model's weights, or use dtype f32`,
    );
  }

  /** The final x, moved out of the run. */
  result(x: GPUBuffer, count: number, parameters: readonly Record<string, unknown>[]): Result {
    const { device, resolution } = this.model;
    const buffer = device.gpu.createBuffer({ label: "result", size: x.size, usage: STORAGE });
    const encoder = device.gpu.createCommandEncoder();
    encoder.copyBufferToBuffer(x, 0, buffer, 0, x.size);
    device.gpu.queue.submit([encoder.finish()]);
    return new Result(device, buffer, count, resolution, parameters);
  }

  close(): void {
    this.programs.destroy();
    this.release();
  }
}

function contentList(options: InjectOptions): readonly ContentInput[] {
  const list = options.contents ?? (options.content ? [{ inversion: options.content }] : []);
  if (list.length === 0) throw new UserError("no content to inject; give `content` or `contents`");
  if (list.length > MAX_CONTENTS) throw new UserError(`${list.length} contents; at most ${MAX_CONTENTS} in one run`);
  for (const { gamma } of list)
    if (gamma !== undefined && !(gamma >= 0 && gamma <= 1)) throw new UserError(`gamma ${gamma}: needed 0 to 1`);
  return list;
}

/** Omegas of the contents, inside their masks, then those given apart. */
function omegaRegions(options: InjectOptions, contents: readonly ContentInput[]): OmegaRegion[] {
  const everywhere = { values: [1], width: 1, height: 1 };
  const own = contents.flatMap(({ omega, mask = options.mask ?? everywhere }) =>
    omega === undefined ? [] : [{ mask, omega }],
  );
  const all = [...own, ...(options.omegaRegions ?? [])];
  for (const { omega } of all)
    if (!(omega >= 0 && omega <= 1))
      throw new UserError(`omega ${omega} of a region: needed a number from 0 (strongest injection) to 1`);
  return all;
}

function bankAt(inversion: Inversion, t: number): GPUBuffer {
  const buffer = inversion.alive().bank.get(t);
  if (!buffer)
    throw new UserError(`a content was inverted with other time steps (no h at t = ${t}); invert all contents alike`);
  return buffer;
}
