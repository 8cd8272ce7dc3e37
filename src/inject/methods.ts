import { UserError } from "../errors";
import type { Solver } from "../model/schedule";

/** How a picture is turned into x_T: by solving the equation upwards ("ddim", by whichever solver); or exactly, so that the
 *  run back gives the picture again but for rounding: "bdia" (Zhang, Lewis & Kleijn 2023), or "edit-friendly" (Huberman-
 *  Spiegelglas, Kulikov & Michaeli 2024), which draws noise by a seed. */
export type InversionMethod = (typeof METHODS)[number];
export const METHODS = ["ddim", "bdia", "edit-friendly"] as const;

/** Whether a run back must have the very steps of the inversion, and then ends in the picture itself. */
export const isExact = (method: InversionMethod): boolean => method !== "ddim";

/** Weight of the step before in BDIA, gamma of its authors. Less than 1 would damp what an edit leaves behind in turns, but
 *  its inverse would let rounding grow. */
export const BDIA_SHARE = 1;

/** @throws UserError for what an exact method does not go with */
export function checkMethod(o: {
  readonly method: InversionMethod;
  readonly solver: Solver;
  readonly faithful: boolean;
}): void {
  if (!isExact(o.method)) return;
  if (o.solver !== "ddim")
    throw new UserError(`solver ${o.solver}: method ${o.method} has DDIM's steps; leave out the solver, or the method`);
  if (o.faithful)
    throw new UserError(`method ${o.method}: the official program has ddim only; leave out faithful, or the method`);
}
