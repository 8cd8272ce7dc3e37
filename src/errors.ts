import type { RunSnapshot } from "./snapshot";

/** A mistake the user can mend: a bad flag, file, shape or device. Its message is one line: where, what was found,
 *  what was needed, what to try. Anything else that is thrown is a defect of the engine and keeps its stack. */
export class UserError extends Error {
  override name = "UserError";
}

/** A tensor of the wrong shape. */
export class ShapeError extends UserError {
  override name = "ShapeError";
}

/** The GPU went away while work was running (driver reset, tab discarded, `device.destroy()`). */
export class DeviceLostError extends UserError {
  override name = "DeviceLostError";

  constructor(
    message: string,
    /** The run as far as it is known on the host, for `resume` on a new device; of runs with `snapshotEvery`. */
    readonly snapshot?: RunSnapshot,
  ) {
    super(message);
  }
}

/** Something is larger than the adapter allows. */
export class LimitError extends UserError {
  override name = "LimitError";

  constructor(
    readonly what: string,
    /** bytes it takes, and the most one binding may have */
    readonly needed: number,
    readonly limit: number,
  ) {
    super(
      `${what} takes ${needed} bytes on the GPU, this adapter binds at most ${limit}; use dtype f16, activations f16, precision exact, a smaller batch, or another adapter`,
    );
  }
}

/** A value that is not finite came out of a node of the graph. */
export class NonFiniteError extends UserError {
  override name = "NonFiniteError";
}
