import { UserError } from "../../errors";
import type { UNetConfig } from "../config";
import type { Schedule } from "../schedule";
import { type CheckpointOptions, openCheckpoint } from "./checkpoint";
import { countParameters } from "./convert";
import { type DescribeOptions, describe } from "./described";
import { DTYPE_BYTES } from "./dtype";
import { compareTensors, expectedTensors } from "./expected";
import { canonicalNames, type Layout } from "./layout";
import type { Provenance } from "./settings";
import type { ByteSource } from "./source";

/** Description of a checkpoint that is not loaded. Plain data: `JSON.stringify` prints it. */
export interface Inspection {
  readonly file: string;
  readonly bytes: number;
  readonly container: string;
  /** The way to the network inside the file, such as `list[4]` or `state_dict module.`; empty when flat. */
  readonly wrapper: string;
  /** Null where the file holds tensors but no U-Net of ours; `problems` says why. */
  readonly layout: Layout | null;
  readonly config: UNetConfig | null;
  readonly schedule: Schedule | null;
  /** Where each setting was found; what is not listed is in the shapes. */
  readonly from: Provenance;
  readonly tensors: number;
  readonly parameters: number;
  /** Tensors of each element type. */
  readonly dtypes: Readonly<Record<string, number>>;
  readonly largest: { readonly name: string; readonly shape: readonly number[]; readonly bytes: number } | null;
  readonly metadata: Readonly<Record<string, string>>;
  readonly missing: readonly string[];
  readonly unexpected: readonly string[];
  /** "name: [found], expected [needed]" */
  readonly misshaped: readonly string[];
  readonly ignored: readonly string[];
  /** One line each; empty for a file that would load. */
  readonly problems: readonly string[];
}

/** Looks at a checkpoint's headers. Files that are no U-Net of ours are described as far as they can be.
 *  @throws UserError only for files that are no checkpoint at all. */
export async function inspectCheckpoint(
  source: ByteSource,
  options: CheckpointOptions & DescribeOptions = {},
): Promise<Inspection> {
  const checkpoint = await openCheckpoint(source, options);
  try {
    const problems: string[] = [];
    const attempt = async <T>(work: () => T | Promise<T>): Promise<T | undefined> => {
      try {
        return await work();
      } catch (error) {
        if (!(error instanceof UserError)) throw error;
        problems.push(error.message);
        return undefined;
      }
    };
    const named = await attempt(() => canonicalNames(checkpoint));
    const described = named && (await attempt(() => describe(source, named, options)));
    const config = described?.config;
    const tensors = named?.tensors ?? checkpoint.tensors;
    const difference = config && compareTensors(tensors, expectedTensors(config));
    const misshaped = (difference?.misshaped ?? []).map(
      ([name, found, needed]) => `${name}: [${found.join(", ")}], expected [${needed.join(", ")}]`,
    );
    if (difference?.missing.length) problems.push(`${difference.missing.length} tensors are missing`);
    if (misshaped.length) problems.push(`${misshaped.length} tensors have the wrong shape`);
    const dtypes: Record<string, number> = {};
    let largest: Inspection["largest"] = null;
    for (const [name, { dtype, shape }] of tensors) {
      dtypes[dtype] = (dtypes[dtype] ?? 0) + 1;
      const bytes = shape.reduce((a, b) => a * b, 1) * DTYPE_BYTES[dtype];
      if (bytes > (largest?.bytes ?? -1)) largest = { name, shape, bytes };
    }
    return {
      file: checkpoint.file,
      bytes: source.size,
      container: checkpoint.container,
      wrapper: checkpoint.wrapper,
      layout: named?.layout ?? null,
      config: config ?? null,
      schedule: described?.schedule ?? null,
      from: described?.from ?? {},
      tensors: tensors.size,
      parameters: countParameters(tensors),
      dtypes,
      largest,
      metadata: checkpoint.metadata,
      missing: difference?.missing ?? [],
      unexpected: difference?.surplus ?? [],
      misshaped,
      ignored: checkpoint.ignored,
      problems,
    };
  } finally {
    checkpoint.close();
  }
}
