import { NonFiniteError, UserError } from "../../errors";
import type { UNetConfig } from "../config";
import type { Schedule } from "../schedule";
import { type Checkpoint, type CheckpointOptions, openCheckpoint } from "./checkpoint";
import { type DescribeOptions, describe } from "./described";
import { expectedTensors, requireTensors } from "./expected";
import { canonicalNames, type Layout } from "./layout";
import type { Provenance } from "./settings";
import type { ByteSource, Scratch } from "./source";

/** A checkpoint that is known to hold one whole U-Net. */
export interface ModelCheckpoint extends Checkpoint {
  /** Layout of the names in the file; `tensors` and `read` use the canonical ones. */
  readonly layout: Layout;
  readonly config: UNetConfig;
  readonly schedule: Schedule;
  /** Where each setting was found; the others are in the shapes. */
  readonly from: Provenance;
  /** Names in the file that the network has no place for. */
  readonly surplus: readonly string[];
}

/** Opens a checkpoint as a U-Net: container, wrappers, names, configuration, every tensor's presence and shape. Nothing
 *  but headers is read. Values are checked when read: a NaN or infinity is a NonFiniteError that names its tensor.
 *  What is given here wins over the file's metadata, which win over a `config.json` beside it.
 *  @throws UserError in one line, whatever is wrong with the file. */
export async function openModelCheckpoint(
  source: ByteSource,
  options: CheckpointOptions & DescribeOptions = {},
): Promise<ModelCheckpoint> {
  const checkpoint = await openCheckpoint(source, options);
  try {
    const named = await canonicalNames(checkpoint);
    const { config, schedule, from } = await describe(source, named, options);
    const expected = expectedTensors(config);
    const surplus = requireTensors(named.tensors, expected, named.file);
    const tensors = new Map([...named.tensors].filter(([name]) => expected.has(name)));
    return {
      ...named,
      tensors,
      config,
      schedule,
      from,
      surplus,
      read: (name, signal, into) => finite(named, name, signal, into),
    };
  } catch (error) {
    checkpoint.close();
    if (error instanceof UserError && !error.message.startsWith(source.name))
      throw new UserError(`${source.name}: ${error.message}`);
    throw error;
  }
}

/** Index of the first value that is not finite, or -1. */
export function firstNonFinite(values: Float32Array): number {
  const bits = new Uint32Array(values.buffer, values.byteOffset, values.length);
  for (let i = 0; i < bits.length; i++) if ((bits[i]! & 0x7f800000) === 0x7f800000) return i;
  return -1;
}

/** Would these f32 be ordinary weights if their bytes were the other way round? NaN and zero stay strange either way. */
function looksSwapped(values: Float32Array): boolean {
  if (values.length < 16) return false;
  const view = new DataView(values.slice(0, 4096).buffer);
  let ordinary = 0;
  for (let at = 0; at < view.byteLength; at += 4) {
    const size = Math.abs(view.getFloat32(at, false));
    if (size === 0 || (size > 1e-10 && size < 1e5)) ordinary++;
  }
  return ordinary > 0.99 * (view.byteLength / 4);
}

async function finite(checkpoint: Checkpoint, name: string, signal?: AbortSignal, into?: Scratch) {
  const values = await checkpoint.read(name, signal, into);
  const at = firstNonFinite(values);
  if (at < 0) return values;
  const where = `${checkpoint.file}: ${name} holds ${values[at]} at element ${at} of ${values.length}`;
  if (checkpoint.tensors.get(name)?.dtype === "F32" && looksSwapped(values))
    throw new NonFiniteError(`${where}: its bytes are in big-endian order; re-save it on a little-endian machine`);
  throw new NonFiniteError(`${where}; the training diverged or the file is damaged, use another checkpoint`);
}
