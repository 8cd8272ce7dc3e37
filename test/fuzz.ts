// npm run fuzz -- --seconds 60 [--seed N] [--target NAME] [--case N]
// Hands mutated files to everything that reads files. Stops at the first that is not refused in one line or right.
import { parseArgs } from "node:util";
import { checkpointTargets } from "./fuzz-checkpoint";
import { type FuzzTarget, fuzz } from "./fuzz-harness";
import { imageTargets } from "./fuzz-images";

const targets: readonly FuzzTarget[] = [...checkpointTargets, ...imageTargets];

const { values } = parseArgs({
  options: {
    seconds: { type: "string", default: "60" },
    seed: { type: "string", default: String(Date.now() % 1_000_000) },
    target: { type: "string" },
    case: { type: "string" },
  },
});
const seed = Number(values.seed);
const chosen = targets.filter(({ name }) => !values.target || name === values.target);
if (chosen.length === 0 || !Number.isInteger(seed) || !(Number(values.seconds) > 0)) {
  console.error(
    `usage: fuzz [--seconds N] [--seed N] [--target ${targets.map(({ name }) => name).join("|")}] [--case N]`,
  );
  process.exit(2);
}
console.log(`seed ${seed}`);
const shares = chosen.reduce((sum, { share = 1 }) => sum + share, 0);
for (const target of chosen) {
  const seconds = (Number(values.seconds) * (target.share ?? 1)) / shares;
  try {
    const report = await fuzz(target, { seed, seconds, ...(values.case ? { only: Number(values.case) } : {}) });
    const { cases, accepted, refused, slowestMs } = report;
    console.log(
      `${target.name.padEnd(17)} ${cases} cases, ${refused} refused, ${accepted} fine, slowest ${slowestMs.toFixed(0)} ms`,
    );
  } catch (error) {
    console.error(error);
    process.exitCode = 1;
  }
}
