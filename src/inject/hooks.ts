import type { InjectStep } from "./plan-inject";

/** Options that only golden tests and experiments use. Carried by a symbol, so that it is no part of the public types. */
export interface Hooks {
  /** noise to use instead of the generator's, f32 [N, 3, side, side] for step k, to reproduce recorded runs */
  readonly noise?: (step: number) => Float32Array | undefined;
  /** edits the steps of an injection before they are planned */
  readonly mutate?: (steps: readonly InjectStep[]) => InjectStep[];
}

const HOOKS = Symbol("injectfusion.hooks");

/** Options that carry hooks, besides those they carry already. */
export const withHooks = <T extends object>(options: T, hooks: Hooks): T =>
  ({ ...options, [HOOKS]: { ...hooksOf(options), ...hooks } }) as T;

export const hooksOf = (options: object): Hooks => (options as { readonly [HOOKS]?: Hooks })[HOOKS] ?? {};
