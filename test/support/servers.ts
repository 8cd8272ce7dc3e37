import { type ChildProcess, execFileSync, spawn } from "node:child_process";
import { chownSync, existsSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { createConnection, createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";

/** A server for tests, on loopback, with its data in a temporary folder. */
export interface TestServer {
  readonly url: string;
  stop(): Promise<void>;
  /** Starts it again, on the same port and data. */
  start(): Promise<void>;
  /** Stops it and removes its data. */
  remove(): Promise<void>;
}

export const PASSWORD = "correct-horse";

/** Where a program is, or undefined. */
function find(program: string, folders: readonly string[] = []): string | undefined {
  const all = [...(process.env.PATH ?? "").split(":"), ...folders];
  return all.map((folder) => join(folder, program)).find((file) => existsSync(file));
}

/** Debian keeps PostgreSQL's programs apart, one folder a version. */
function postgresFolders(): string[] {
  const root = "/usr/lib/postgresql";
  const versions = existsSync(root) ? readdirSync(root) : [];
  return versions.sort((a, b) => Number(b) - Number(a)).map((version) => join(root, version, "bin"));
}

/** Whether the packages of the queue are installed: they are optional. */
async function isInstalled(...packages: readonly string[]): Promise<boolean> {
  for (const name of packages) if (!(await import(name).catch(() => undefined))) return false;
  return true;
}

/** What keeps a kind of server from being started here; undefined where nothing does. */
export async function lacking(kind: "redis" | "postgres"): Promise<string | undefined> {
  if (!(await isInstalled("bullmq", kind === "redis" ? "ioredis" : "pg"))) return "its packages (npm install)";
  if (kind === "redis") return find("redis-server") ? undefined : "redis-server (apt-get install redis-server)";
  if (!find("initdb", postgresFolders())) return "PostgreSQL (apt-get install postgresql)";
  return undefined;
}

export async function startRedis(): Promise<TestServer> {
  const folder = mkdtempSync(join(tmpdir(), "injectfusion-redis-"));
  const port = await freePort();
  const options = ["--bind", "127.0.0.1", "--appendonly", "yes", "--appendfsync", "always", "--requirepass", PASSWORD];
  const command = [find("redis-server")!, "--port", String(port), "--dir", folder, ...options];
  return serve(command, folder, port, `redis://:${PASSWORD}@127.0.0.1:${port}`);
}

export async function startPostgres(): Promise<TestServer> {
  const folder = mkdtempSync(join(tmpdir(), "injectfusion-postgres-"));
  const port = await freePort();
  const program = (name: string) => find(name, postgresFolders())!;
  // PostgreSQL refuses to run as root: Debian's package made a user for it
  const user = process.getuid?.() === 0 ? userOf("postgres") : undefined;
  if (user) chownSync(folder, user.uid, user.gid);
  const secret = join(tmpdir(), `injectfusion-secret-${process.pid}`);
  writeFileSync(secret, PASSWORD, { mode: 0o644 });
  const data = join(folder, "data");
  const options = ["-D", data, "-U", "tester", "-A", "scram-sha-256", "--pwfile", secret];
  execFileSync(program("initdb"), options, { stdio: "pipe", cwd: "/", ...user });
  rmSync(secret);
  const command = [
    program("postgres"),
    "-D",
    data,
    "-p",
    String(port),
    "-k",
    folder,
    "-c",
    "listen_addresses=127.0.0.1",
  ];
  return serve(command, folder, port, `postgres://tester:${PASSWORD}@127.0.0.1:${port}/postgres`, user);
}

function userOf(name: string): { uid: number; gid: number } {
  const id = (flag: string) => Number(execFileSync("id", [flag, name]).toString());
  return { uid: id("-u"), gid: id("-g") };
}

async function serve(
  command: readonly string[],
  folder: string,
  port: number,
  url: string,
  as: { readonly uid?: number; readonly gid?: number } = {},
): Promise<TestServer> {
  let running: ChildProcess | undefined;
  const start = async () => {
    running = spawn(command[0]!, command.slice(1), { stdio: "ignore", cwd: "/", ...as });
    await answering(port);
  };
  const stop = async () => {
    const child = running;
    running = undefined;
    if (!child || child.exitCode !== null) return;
    const ended = new Promise((resolve) => child.once("close", resolve));
    child.kill("SIGINT"); // PostgreSQL's fast shutdown; Redis writes its file
    await ended;
  };
  const remove = async () => {
    await stop();
    rmSync(folder, { recursive: true, force: true });
  };
  await start();
  return { url, start, stop, remove };
}

function freePort(): Promise<number> {
  return new Promise((resolve) => {
    const server = createServer().listen(0, "127.0.0.1", () => {
      const { port } = server.address() as { port: number };
      server.close(() => resolve(port));
    });
  });
}

async function answering(port: number): Promise<void> {
  for (let tries = 0; tries < 300; tries++) {
    const open = await new Promise<boolean>((resolve) => {
      const socket = createConnection(port, "127.0.0.1");
      socket.once("connect", () => resolve(true)).once("error", () => resolve(false));
      socket.once("connect", () => socket.destroy());
    });
    if (open) return;
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
  throw new Error(`the test's server does not answer on port ${port}`);
}
