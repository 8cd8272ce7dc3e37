// Runs the engine for a while under everything that may happen to it, and reports what went wrong. Exits 1 if anything did.
//   npm run soak -- --minutes 10 --seed 1
import { parseArgs } from "node:util";
import { soak } from "./soak-harness";

const { values } = parseArgs({
  options: { minutes: { type: "string", default: "10" }, seed: { type: "string", default: "1" } },
});
const report = await soak({ seconds: 60 * Number(values.minutes), seed: Number(values.seed) });
const { runs, refusals, cancelled, losses, leaked, wrong } = report;
for (const line of wrong) console.error(line);
console.log(
  `seed ${values.seed}: ${runs} runs, ${refusals} refusals, ${cancelled} cancelled, ${losses} losses survived, ${leaked} bytes leaked, ${wrong.length} wrong results`,
);
process.exitCode = leaked > 0 || wrong.length > 0 ? 1 : 0;
