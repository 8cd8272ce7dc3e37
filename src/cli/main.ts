#!/usr/bin/env node
import { satisfies } from "../../engines.mjs";
import { neededNode } from "../platform/package-root";
import type { Engine } from "./engine";

if (!satisfies(process.versions.node, neededNode())) {
  process.stderr.write(
    `error: found Node ${process.versions.node}, expected ${neededNode()}; install a newer Node (https://nodejs.org)\n`,
  );
  process.exit(1);
}

const interruption = new AbortController();
for (const name of ["SIGINT", "SIGTERM", "SIGHUP"] as const)
  process.on(name, () => {
    if (interruption.signal.aborted) process.exit(130); // a second signal ends the process at once
    interruption.abort();
  });
process.stdout.on("error", (error: NodeJS.ErrnoException) => {
  if (error.code === "EPIPE") process.exit(0); // `injectfusion ... | head` closed stdout: nobody reads on
  process.stderr.write(`error: stdout cannot be written (${error.code ?? error.message})\n`);
  process.exit(1);
});

// Imported late: the packages of the command line are optional dependencies.
const { runCli } = await import("./cli").catch((error: Error & { code?: string }) => {
  if (error.code !== "ERR_MODULE_NOT_FOUND") throw error;
  const [line] = error.message.split("\n");
  process.stderr.write(`error: ${line}; the command line needs the optional dependencies: npm install injectfusion\n`);
  process.exit(1);
});
process.exitCode = await runCli(process.argv.slice(2), {
  engine: async (): Promise<Engine> => import("../node"),
  terminal: process,
  signal: interruption.signal,
});
