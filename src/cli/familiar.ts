import { isUnfamiliar, noiseStatistics } from "../inject/familiarity";
import type { Inversion } from "../inject/inversion";
import type { Reporter } from "./reporter";

/** Says on stderr which pictures are unlike those the model was trained on: what is generated from them is colour noise.
 *  @param names of the pictures in the inversion, in order */
export async function noteUnfamiliar(
  inversion: Inversion,
  names: readonly string[],
  reporter: Reporter,
): Promise<void> {
  const { channels, height, width } = inversion.info.picture;
  const all = await inversion.readXT();
  const size = channels * height * width;
  names.forEach((name, n) => {
    if (isUnfamiliar(noiseStatistics(all.subarray(n * size, (n + 1) * size), width)))
      reporter.note(
        `${name} is far from the pictures this model knows, so expect colour noise; place its subject (--place, --eyes, --align), or take another model`,
      );
  });
}
