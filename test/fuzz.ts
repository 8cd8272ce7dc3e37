// npm run fuzz -- [--seconds 60 | --cases 10000] [--seed N] [--target NAME] [--case N]
// Gives mutated files to everything that reads files. Stops at the first that is neither refused in one line nor read right,
// or that takes more than 2 s or 192 MB (a picture: 256 MB).
import { parseArgs } from "node:util";
import { checkpointTargets } from "./fuzz-checkpoint";
import { type FuzzTarget, fuzz } from "./fuzz-harness";
import { imageTargets } from "./fuzz-images";

const targets: readonly FuzzTarget[] = [...checkpointTargets, ...imageTargets];

const { values } = parseArgs({
  options: {
    seconds: { type: "string" },
    cases: { type: "string" },
    seed: { type: "string", default: String(Date.now() % 1_000_000) },
    target: { type: "string" },
    case: { type: "string" },
  },
});
const seed = Number(values.seed);
const cases = values.cases === undefined ? undefined : Number(values.cases);
const total = Number(values.seconds ?? (cases ? 1e9 : 60));
const chosen = targets.filter(({ name }) => !values.target || name === values.target);
if (chosen.length === 0 || !Number.isInteger(seed) || !(total > 0) || cases === 0 || Number.isNaN(cases)) {
  console.error(
    `usage: fuzz [--seconds N | --cases N] [--seed N] [--target ${targets.map(({ name }) => name).join("|")}] [--case N]`,
  );
  process.exit(2);
}
console.log(`seed ${seed}`);
const shares = chosen.reduce((sum, { share = 1 }) => sum + share, 0);
for (const target of chosen) {
  const seconds = (total * (target.share ?? 1)) / shares;
  try {
    const only = values.case ? { only: Number(values.case) } : {};
    const report = await fuzz(target, { seed, seconds, ...(cases ? { cases } : {}), ...only });
    const { accepted, refused, slowestMs, grownBytes } = report;
    console.log(
      `${target.name.padEnd(17)} ${report.cases} cases, ${refused} refused, ${accepted} fine, slowest ${slowestMs.toFixed(0)} ms, process grew ${(grownBytes / 2 ** 20).toFixed(0)} MB`,
    );
  } catch (error) {
    console.error(error);
    process.exitCode = 1;
  }
}
