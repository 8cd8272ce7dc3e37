// Installs what package-lock.json asks for, unless node_modules already holds it; then it is silent.
// Runs before `npm start` and `npm test`, on a fresh clone too, so neither it nor what it imports may need a package.
import { spawnSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { satisfies } from "./engines.mjs";

const root = dirname(fileURLToPath(import.meta.url));

/** The `packages` table of a lock file; empty where there is none to be read. */
function packagesOf(file) {
  try {
    return JSON.parse(readFileSync(join(root, file), "utf8")).packages ?? {};
  } catch {
    return {};
  }
}

/** Whether every package of the lock file is installed at its locked version. Packages of other platforms may be
 *  missing: those are optional and come with a package that is not, unless this project names them itself. */
function isInstalled() {
  const installed = packagesOf("node_modules/.package-lock.json"); // written by npm after each install
  const locked = packagesOf("package-lock.json");
  const named = Object.keys(locked[""]?.optionalDependencies ?? {}).map((name) => `node_modules/${name}`);
  return Object.entries(locked).every(
    ([path, { version, optional, link }]) =>
      path === "" || link || (optional && !named.includes(path)) || installed[path]?.version === version,
  );
}

/** Runs npm, its own talk on stderr, so that stdout stays free for results. */
function npm(...args) {
  const program = process.env.npm_execpath;
  const [command, first] = program?.endsWith("js") ? [process.execPath, [program]] : ["npm", []];
  return spawnSync(command, [...first, ...args], {
    cwd: root,
    env: { ...process.env, INJECTFUSION_SETUP: "1" }, // whoever called builds what it needs: see build.mjs --prepare
    stdio: ["ignore", 2, 2],
    shell: command === "npm" && process.platform === "win32",
  });
}

const { engines } = JSON.parse(readFileSync(join(root, "package.json"), "utf8"));
if (!satisfies(process.versions.node, engines.node)) {
  console.error(`setup: found Node ${process.versions.node}, expected ${engines.node}; install a newer Node`);
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
    console.error(`setup: npm ci failed (${error?.message ?? `exit status ${status}`}); check the network connection`);
    process.exit(1);
  }
}
