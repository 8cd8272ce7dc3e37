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
}

/** A value that is not finite came out of a node of the graph. */
export class NonFiniteError extends UserError {
  override name = "NonFiniteError";
}
