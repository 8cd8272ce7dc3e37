import type { ByteSource } from "./source";

/** Events of one file, in this order: `initiate` (found, size known), `download` (first byte asked for),
 *  `progress` (bytes so far), `done` (nothing more is read from it), `ready` (the model can run). */
export interface Progress {
  readonly status: "initiate" | "download" | "progress" | "done" | "ready";
  readonly file: string;
  /** Bytes so far and in all. */
  readonly loaded: number;
  readonly total: number;
}

export type OnProgress = (event: Progress) => void;

/** Reports what is read from `source`; `done` comes with `close()`. */
export function withProgress(source: ByteSource, onProgress: OnProgress | undefined): ByteSource {
  if (!onProgress) return source;
  const total = source.size;
  let loaded = 0;
  let started = false;
  let closed = false;
  const report = (status: Progress["status"]) => onProgress({ status, file: source.name, loaded, total });
  report("initiate");
  return {
    name: source.name,
    size: source.size,
    sha256: source.sha256,
    ...(source.sibling ? { sibling: source.sibling.bind(source) } : {}),
    async read(offset, length, signal, into) {
      if (!started) {
        started = true;
        report("download");
      }
      const bytes = await source.read(offset, length, signal, into);
      loaded = Math.min(total, loaded + length);
      report("progress");
      return bytes;
    },
    report: (loaded, total) => onProgress({ status: "progress", file: source.name, loaded, total }),
    close() {
      source.close?.();
      if (!closed) report("done");
      closed = true;
    },
  };
}
