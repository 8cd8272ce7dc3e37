import { runCli } from "./cli";
import type { Engine } from "./engine";

process.setSourceMapsEnabled(true);

const interruption = new AbortController();
for (const name of ["SIGINT", "SIGTERM", "SIGHUP"] as const)
  process.on(name, () => {
    if (interruption.signal.aborted) process.exit(130); // asked twice: at once
    interruption.abort();
  });
// `injectfusion ... | head` closes stdout early: nobody is left to tell
process.stdout.on("error", (error: NodeJS.ErrnoException) => process.exit(error.code === "EPIPE" ? 0 : 1));

process.exitCode = await runCli(process.argv.slice(2), {
  engine: async (): Promise<Engine> => import("../node"),
  terminal: process,
  signal: interruption.signal,
});
