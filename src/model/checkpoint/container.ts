import { UserError } from "../../errors";
import type { DType } from "./dtype";
import type { Scratch } from "./source";
import type { View } from "./strided";

export interface TensorInfo {
  readonly dtype: DType;
  readonly shape: readonly number[];
}

/** One opened file as its container sees it: named tensors, nothing renamed. */
export interface Opened {
  readonly container: "safetensors" | "torch-zip" | "torch-legacy";
  /** In the order the bytes lie in the file, so that reading them in turn reads it from front to back. */
  readonly tensors: ReadonlyMap<string, TensorInfo>;
  readonly metadata: Readonly<Record<string, string>>;
  /** The way from the pickled object to its tensors, such as `list[4]` or `state_dict`; empty when flat. */
  readonly wrapper: string;
  /** Names in the file that are not tensors. */
  readonly ignored: readonly string[];
  /** Contiguous row-major f32; the bits of f32 tensors are kept. */
  read(name: string, signal?: AbortSignal, into?: Scratch): Promise<Float32Array<ArrayBuffer>>;
  close(): void;
}

/** How many tensors a file may name; the largest of the paper's has 566. */
export const MAX_TENSORS = 100_000;

/** A tensor of a torch file: a view on one of its storages. */
export interface StoredTensor extends View {
  readonly key: string;
}

/** Names go into one-line messages and into graphs. @throws UserError for one no program would give a tensor. */
export function checkName(name: string, file: string): void {
  if (name.length <= 200 && !/[\p{Cc}\p{Zl}\p{Zp}]/u.test(name)) return;
  throw new UserError(`${file}: a name in it ("${shown(name, 40)}") is no tensor's; damaged, download the file again`);
}

/** Text of a stranger's file, fit for a message. */
export const shown = (text: string, most = 80): string => text.slice(0, most).replaceAll(/[\p{C}\p{Zl}\p{Zp}]/gu, "?");
