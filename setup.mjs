// Installs what package-lock.json asks for, when node_modules does not hold it yet; otherwise says and does nothing.
// Runs before `npm start` and `npm test`, on a fresh clone too: so it may import nothing but Node itself.
import { spawnSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

const root = dirname(fileURLToPath(import.meta.url));

/** The `packages` table of a lock file; empty where there is none to be read. */
function packagesOf(file) {
  try {
    return JSON.parse(readFileSync(join(root, file), "utf8")).packages ?? {};
  } catch {
    return {};
  }
}

/** Whether every package of the lock file that is not optional is installed at its locked version. */
function isInstalled() {
  const installed = packagesOf("node_modules/.package-lock.json"); // written by npm after each install
  return Object.entries(packagesOf("package-lock.json")).every(
    ([path, { version, optional, link }]) => path === "" || optional || link || installed[path]?.version === version,
  );
}

/** Runs npm, its own talk on stderr, so that stdout stays free for results. */
function npm(...args) {
  const program = process.env.npm_execpath;
  const [command, first] = program?.endsWith("js") ? [process.execPath, [program]] : ["npm", []];
  return spawnSync(command, [...first, ...args], {
    cwd: root,
    stdio: ["ignore", 2, 2],
    shell: command === "npm" && process.platform === "win32",
  });
}

const [major, minor] = process.versions.node.split(".").map(Number);
if (major < 20 || (major === 20 && minor < 9)) {
  console.error(`setup: Node ${process.versions.node} is too old, needed 20.9 or newer`);
  process.exit(1);
}
if (!isInstalled()) {
  console.error("setup: installing the packages of package-lock.json (npm ci)");
  const { status, error } = npm(
    "ci",
    "--include=dev",
    "--no-audit",
    "--no-fund",
    "--no-update-notifier",
    "--loglevel=error",
  );
  if (error || status !== 0) {
    console.error(`setup: npm ci failed (${error?.message ?? `exit status ${status}`}); is the network there?`);
    process.exit(1);
  }
}
