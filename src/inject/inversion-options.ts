import type { InjectParameters, InvertOptions } from "../api";

/** How the pictures of a run with these parameters are inverted. */
export const inversionOf = ({
  stepsInversion: steps,
  top,
  faithful,
  solver,
  spacing,
  method,
  seed,
}: Omit<InjectParameters, "gamma">) =>
  ({ steps, top, faithful, solver, spacing, method, seed }) satisfies InvertOptions;
