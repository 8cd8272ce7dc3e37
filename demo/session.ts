import { Engine, type ModelSource } from "./engine";
import { HostCopies } from "./host-copies";

/** Set by the build: the shipped model's file with its version. */
declare const SHIPPED_MODEL: string;

/** Callbacks by which a session reports to the page. */
export interface SessionPage {
  say(text: string): void;
  progress(share: number, text: string): void;
  /** A model is ready to use. @returns what to say about it */
  opened(engine: Engine): string;
  /** The device went away, or its memory ran out; there is no engine now. */
  lost(error: Error): void;
}

/** The engine in use. Inversions on the host outlive it. */
export class Session {
  readonly #copies = new HostCopies();
  readonly #shipped: ModelSource = { from: new URL(SHIPPED_MODEL, document.baseURI) };
  #source = this.#shipped;
  #engine: Engine | undefined;

  constructor(readonly page: SessionPage) {}

  get engine(): Engine | undefined {
    return this.#engine;
  }

  /** The model in use is the one that comes with the page. */
  get shipped(): boolean {
    return this.#source === this.#shipped;
  }

  /** Returns the engine, opened again where it was lost. */
  async ready(signal: AbortSignal): Promise<Engine> {
    return this.#engine ?? this.open(undefined, signal);
  }

  /** Opens a device and a model. An engine that is open stays until the new one is there, and stays if that fails.
   *  @param source the model in use unless given; "shipped" for the one that comes with the page */
  async open(source: ModelSource | "shipped" | undefined, signal: AbortSignal): Promise<Engine> {
    const { page } = this;
    const from = source === "shipped" ? this.#shipped : (source ?? this.#source);
    page.say("Loading the model…");
    const onProgress = (loaded: number, total: number) =>
      page.progress(total ? loaded / total : 0, `Loading the model: ${megabytes(loaded)} of ${megabytes(total)} MB`);
    const opened = await Engine.open(from, this.#copies, { signal, onProgress }, (error) => this.#lost(error));
    this.#engine?.close();
    this.#engine = opened;
    this.#source = from;
    page.say(page.opened(opened));
    return opened;
  }

  #lost(error: Error): void {
    this.#engine?.close();
    this.#engine = undefined;
    this.page.lost(error);
  }
}

const megabytes = (bytes: number) => (bytes / 1e6).toFixed(1);
