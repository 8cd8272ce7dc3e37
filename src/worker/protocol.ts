import type { Pixels, StepEvent } from "../api";

/** Messages between a page (or a main thread) and its worker. Plain data. */

/** Calls that a worker answers. */
export type CallName = "load" | "inject" | "reconstruct" | "sample" | "dispose";

/** A call, or its end by the caller. */
export type Request =
  | { readonly id: number; readonly call: CallName; readonly args: readonly unknown[]; readonly previewEvery?: number }
  | { readonly id: number; readonly abort: string }
  | Close;

/** Asks a worker of Node, whose process is about to exit, to free its devices. It sets element 0 once it has: the sender's
 *  thread sleeps on that, for nothing else can be waited for at an exit. */
export interface Close {
  readonly close: Int32Array;
}

/** A step of a run, as data. */
export interface WorkerStep extends Pick<StepEvent, "phase" | "step" | "steps" | "t"> {
  /** The predicted pictures so far, at every `previewEvery`-th step. */
  readonly preview?: readonly Pixels[];
}

/** An answer, or news on the way to it. */
export type Reply =
  | { readonly id: number; readonly step: WorkerStep }
  | { readonly id: number; readonly result: unknown }
  | { readonly id: number; readonly error: { readonly name: string; readonly message: string } };

/** A loaded model in a few words. */
export interface ModelInfo {
  readonly name: string;
  readonly hash: string;
  /** side of its pictures, in pixels */
  readonly resolution: number;
}

/** One end of the line: a Worker, a MessagePort, a worker's own scope, or either of them in Node. */
export interface Line {
  /** Sends a message. */
  postMessage(message: unknown, transfer?: Transferable[]): void;
  /** How pages and workers hear messages. */
  addEventListener?(type: string, listener: (event: Event) => void): void;
  /** How Node's ends hear messages. */
  // biome-ignore lint/suspicious/noExplicitAny: Node's emitters type each event's listener apart
  on?(type: string, listener: (data: any) => void): unknown;
}

/** Hears every message of the other end. */
export function listen(line: Line, hear: (data: unknown) => void): void {
  if (line.on) line.on("message", hear);
  else line.addEventListener?.("message", (event) => hear((event as MessageEvent).data));
}

/** Hears that the worker itself failed: its file is missing, or threw outside of a call. */
export function listenForFailure(line: Line, hear: (message: string) => void): void {
  if (line.on) line.on("error", (error: Error) => hear(error.message));
  else line.addEventListener?.("error", (event) => hear((event as ErrorEvent).message || "its file does not load"));
}

/** Buffers of pictures, to be moved and not copied. */
export const buffersOf = (pictures: readonly Pixels[]): ArrayBuffer[] => [
  ...new Set(pictures.map(({ data }) => data.buffer as ArrayBuffer)),
];
