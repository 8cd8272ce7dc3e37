import type { Preset } from "../inject/parameters";

/** The part of the library that commands need. It is loaded late, so that help and usage errors come at once. */
export type Engine = Pick<typeof import("../node"), "openDevice" | "loadModel" | "resolveParameters"> & {
  readonly presets: Readonly<Record<string, Preset>>;
};
