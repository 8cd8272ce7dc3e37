import { spawnSync } from "node:child_process";
import { existsSync, readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { packageRoot } from "../../src/platform/package-root";

const folder = join(packageRoot(), "bench", "peers");
const require = createRequire(join(folder, "package.json"));

/** Installs the peers beside this file, once. They are no dependency of the package.
 *  @throws Error when npm fails */
export function installPeers(): void {
  if (existsSync(join(folder, "node_modules", ".package-lock.json"))) return;
  console.error("bench:peers: installing the peers into bench/peers/node_modules (npm ci, about 500 MB)");
  const args = ["ci", "--ignore-scripts", "--no-audit", "--no-fund", "--no-update-notifier", "--loglevel=error"];
  const { status } = spawnSync("npm", args, {
    cwd: folder,
    stdio: ["ignore", 2, 2],
    shell: process.platform === "win32",
  });
  if (status !== 0) throw new Error(`bench:peers: npm ci in bench/peers failed (exit status ${status})`);
}

export const requirePeer = <T>(name: string): T => require(name) as T;

/** Where the peers' packages lie. */
export const peersFolder = join(folder, "node_modules");

/** A file of a peer, by its path inside the package. */
export const peerFile = (name: string, path: string): string => join(peersFolder, name, path);

export const peerBytes = async (name: string, path: string): Promise<Uint8Array> => readFileSync(peerFile(name, path));

export const importPeer = async <T>(name: string, path: string): Promise<T> =>
  (await import(pathToFileURL(peerFile(name, path)).href)) as T;

export const versionOf = (name: string): string =>
  (JSON.parse(readFileSync(peerFile(name, "package.json"), "utf8")) as { version: string }).version;
