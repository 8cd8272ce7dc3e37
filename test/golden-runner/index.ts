// npm run golden -- DIR [--filter RE] [--precision fast|exact] [--dtype f16] [--activations f16] [--verbose]: runs every case of a golden directory; one line a case, exit 1 on a failure.
import { resolve } from "node:path";
import { parseArgs } from "node:util";
import { openDevice } from "../../src/gpu/open-node";
import type { NetworkOptions } from "../../src/model/network";
import { casesOf, runCase } from "./cases";
import type { CaseResult } from "./kernels";

async function main(): Promise<number> {
  const { positionals, values } = parseArgs({
    allowPositionals: true,
    options: {
      filter: { type: "string" },
      verbose: { type: "boolean" },
      precision: { type: "string" },
      dtype: { type: "string" },
      activations: { type: "string" },
    },
  });
  const folder = resolve(positionals[0] ?? "test/golden");
  const filter = new RegExp(values.filter ?? "");
  const { precision, dtype, activations } = values;
  const network = { ...(precision && { precision }), ...(dtype && { dtype }), ...(activations && { activations }) };
  let failures = 0;
  let passed = 0;
  using device = await openDevice();
  console.error(device.description);
  for (const name of casesOf(folder).filter((n) => filter.test(n))) {
    let checks = 0;
    let worst: CaseResult | undefined;
    const failed: string[] = [];
    const started = performance.now();
    try {
      for await (const result of runCase(folder, name, device, network as NetworkOptions)) {
        checks++;
        if (values.verbose)
          console.log(
            `  ${result.ok ? "ok  " : "FAIL"} ${result.id} rel ${result.worstRel.toExponential(1)} abs ${result.worstAbs.toExponential(1)} ${result.reason ?? ""}`,
          );
        if (!(result.worstRel <= (worst?.worstRel ?? -1))) worst = result;
        if (!result.ok)
          failed.push(
            `${result.id} (${result.reason ?? `rel ${result.worstRel.toExponential(1)}, abs ${result.worstAbs.toExponential(1)}`})`,
          );
      }
    } catch (error) {
      failed.push((error as Error).message);
      if (values.verbose) console.error(error);
    }
    if (checks === 0 && failed.length === 0) failed.push("no check ran");
    if (failed.length > 0) failures++;
    else passed++;
    const errors = worst
      ? `worst relative ${worst.worstRel.toExponential(1)}, absolute ${worst.worstAbs.toExponential(1)}`
      : "";
    const seconds = ((performance.now() - started) / 1000).toFixed(1);
    console.log(
      `${failed.length > 0 ? "FAIL" : "pass"} ${name}: ${checks} checks, ${errors}, ${seconds} s${failed.length > 0 ? `\n     ${failed.slice(0, 5).join("\n     ")}` : ""}`,
    );
  }
  console.log(`${passed} passed, ${failures} failed`);
  return failures > 0 || passed === 0 ? 1 : 0;
}

process.exitCode = await main();
