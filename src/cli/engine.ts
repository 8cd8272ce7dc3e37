import type { ImageInput, InjectParameters, InvertOptions, MaskInput, Pixels, RunOptions } from "../api";
import type { Device } from "../gpu/device";

/** What the commands need of the library: `src/node.ts` satisfies it, and so may a stand-in in a test. */
export interface Engine {
  openDevice(): Promise<EngineDevice>;
  loadModel(source: string | undefined, options: LoadOptions): Promise<EngineModel>;
  readonly presets: Readonly<Record<string, Preset>>;
}

export type EngineDevice = Pick<Device, "description" | "info" | "adapterClass" | "destroy"> & {
  readonly gpu?: GPUDevice;
};

export type Preset = Partial<InjectParameters> & { readonly stepsInversion?: number };

export interface LoadOptions {
  readonly device: EngineDevice;
  readonly dtype?: "f32" | "f16";
  readonly precision?: "exact" | "fast";
  readonly signal?: AbortSignal;
  readonly onProgress?: (event: { readonly loaded: number; readonly total: number }) => void;
}

/** x_T and the h bank of one or more pictures, on the GPU. */
export interface EngineInversion {
  readonly count: number;
  select(index: number): EngineInversion;
  save(): Promise<Uint8Array>;
  dispose(): void;
}

export interface EngineResult {
  readonly count: number;
  readonly parameters: object;
  toPixels(index: number): Promise<Pixels>;
  dispose(): void;
}

export interface ContentPart<I> {
  readonly inversion: I;
  readonly gamma?: number;
  readonly mask?: MaskInput;
}

export interface InjectRun<I> extends Partial<InjectParameters>, RunOptions {
  readonly original: I;
  readonly content?: I;
  readonly contents?: readonly ContentPart<I>[];
  readonly mask?: MaskInput;
}

export interface SampleRun extends RunOptions {
  readonly count?: number;
  readonly seed?: number;
  readonly steps?: number;
  readonly eta?: number;
}

export interface EngineModel<I extends EngineInversion = EngineInversion> {
  readonly name: string;
  readonly hash: string;
  readonly resolution: number;
  invert(image: ImageInput | readonly ImageInput[], options?: InvertOptions): Promise<I>;
  loadInversion(bytes: Uint8Array): Promise<I>;
  inject(run: InjectRun<I>): Promise<EngineResult>;
  reconstruct(inversion: I, options?: RunOptions & { readonly steps?: number }): Promise<EngineResult>;
  sample(run: SampleRun): Promise<EngineResult>;
  dispose(): void;
}
