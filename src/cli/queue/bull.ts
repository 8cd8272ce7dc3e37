import { UserError } from "../../errors";
import { shortUrl } from "../../urls";
import { UsageError } from "../failure";
import type { JobData } from "./job";

/** The parts of BullMQ that are used here. It is an optional peer: installed by those who have a queue. */
export interface QueuedJob {
  readonly id?: string;
  readonly data: JobData;
  readonly progress: unknown;
  readonly failedReason?: string;
  readonly attemptsMade: number;
  getState(): Promise<string>;
  updateProgress(progress: number): Promise<void>;
  updateData(data: JobData): Promise<void>;
  remove(): Promise<void>;
  moveToWait(token?: string): Promise<unknown>;
}

export interface JobRequest {
  readonly name: string;
  readonly data: JobData;
  readonly opts: object;
}

export interface Queue {
  addBulk(jobs: readonly JobRequest[]): Promise<unknown>;
  getJob(id: string): Promise<QueuedJob | undefined>;
  getJobCounts(...types: string[]): Promise<Record<string, number>>;
  on(event: "error", listener: (error: Error) => void): unknown;
  close(): Promise<void>;
}

export interface Worker {
  on(event: "error", listener: (error: Error) => void): unknown;
  on(event: "drained" | "active", listener: () => void): unknown;
  on(event: "lockRenewalFailed", listener: (ids: string[]) => void): unknown;
  on(event: "failed", listener: (job: QueuedJob | undefined, error: Error) => void): unknown;
  cancelJob(id: string, reason?: string): boolean;
  pause(doNotWaitActive?: boolean): Promise<void>;
  close(force?: boolean): Promise<void>;
}

export type Process = (job: QueuedJob, token: string | undefined, signal: AbortSignal) => Promise<unknown>;

interface BullModule {
  readonly Queue: new (name: string, options: object, backend?: unknown) => Queue;
  readonly Worker: new (name: string, process: Process, options: object, backend?: unknown) => Worker;
  readonly createPostgresBackend: unknown;
}

/** A server that jobs go through. */
export interface Server {
  /** Its address, without user and password. */
  readonly where: string;
  queue(): Queue;
  worker(process: Process, options: object): Worker;
}

const NAME = "injectfusion";

/** Connects to the server of a queue, after a look at whether it answers.
 *  @param url redis://, rediss://, postgres:// or postgresql://
 *  @throws UsageError for another address; UserError where a package is missing, nothing answers, or the password is wrong */
export async function openServer(url: string): Promise<Server> {
  const { where, isRedis } = checkUrl(url);
  const bull = await optional<BullModule>("bullmq", isRedis ? "bullmq ioredis" : "bullmq pg");
  await (isRedis ? probeRedis(url, where) : probePostgres(url, where));
  const connection = isRedis ? { url, maxRetriesPerRequest: null } : { connectionString: url, migrate: true };
  const backend = isRedis ? undefined : bull.createPostgresBackend;
  return {
    where,
    queue: () => new bull.Queue(NAME, { connection }, backend),
    worker: (process, options) => new bull.Worker(NAME, process, { connection, ...options }, backend),
  };
}

const schemes = ["redis:", "rediss:", "postgres:", "postgresql:"];

function checkUrl(url: string): { where: string; isRedis: boolean } {
  const parsed = URL.canParse(url) ? new URL(url) : undefined;
  if (!parsed || !schemes.includes(parsed.protocol) || parsed.hostname === "")
    throw new UsageError(
      `--queue${parsed?.host ? ` ${shortUrl(url)}` : ""}: is no queue; expected redis://host:6379 or postgres://user@host:5432/database`,
    );
  const { protocol, host, pathname } = parsed;
  return { where: `${protocol}//${host}${pathname === "/" ? "" : pathname}`, isRedis: protocol.startsWith("redis") };
}

/** Loads an optional package. @throws UserError that says how to install it */
async function optional<T>(name: string, packages: string): Promise<T> {
  try {
    const module = (await import(name)) as T & { default?: T }; // not a literal import: the package may be absent
    return (module.default ? { ...module.default, ...module } : module) as T;
  } catch (error) {
    const [line] = (error as Error).message.split("\n");
    const isAbsent = (error as NodeJS.ErrnoException).code === "ERR_MODULE_NOT_FOUND";
    throw new UserError(
      `queues need ${name}, which ${isAbsent ? "is not installed" : `does not load (${line})`}; try: npm install ${packages}`,
    );
  }
}

/** Milliseconds that a server may take to answer. */
const PATIENCE = 10_000;

interface RedisModule {
  readonly Redis: new (
    url: string,
    options: object,
  ) => {
    connect(): Promise<void>;
    ping(): Promise<string>;
    disconnect(): void;
    on(event: "error", listener: (error: Error) => void): void;
  };
}

async function probeRedis(url: string, where: string): Promise<void> {
  const { Redis } = await optional<RedisModule>("ioredis", "bullmq ioredis");
  const client = new Redis(url, {
    lazyConnect: true,
    connectTimeout: PATIENCE,
    commandTimeout: PATIENCE,
    maxRetriesPerRequest: 0,
    retryStrategy: () => null,
  });
  let last: Error | undefined;
  client.on("error", (error) => (last ??= error));
  try {
    await within(client.connect().then(() => client.ping()));
  } catch (error) {
    throw serverError(last ?? (error as Error), where);
  } finally {
    client.disconnect();
  }
}

interface PostgresModule {
  readonly Client: new (
    options: object,
  ) => {
    connect(): Promise<void>;
    query(text: string): Promise<unknown>;
    end(): Promise<void>;
    on(event: "error", listener: (error: Error) => void): void;
  };
}

async function probePostgres(url: string, where: string): Promise<void> {
  const { Client } = await optional<PostgresModule>("pg", "bullmq pg");
  const client = new Client({ connectionString: url, connectionTimeoutMillis: PATIENCE });
  client.on("error", () => {});
  try {
    await within(client.connect().then(() => client.query("select 1")));
  } catch (error) {
    throw serverError(error as Error, where);
  } finally {
    await client.end().catch(() => {});
  }
}

async function within<T>(work: Promise<T>): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(Object.assign(new Error("no answer"), { code: "ETIMEDOUT" })), PATIENCE + 1000);
  });
  try {
    return await Promise.race([work, late]);
  } finally {
    clearTimeout(timer);
  }
}

/** Explains a server's refusal in one line that holds no password. */
function serverError(error: Error & { code?: string; errors?: { code?: string }[] }, where: string): UserError {
  const code = error.code ?? error.errors?.[0]?.code;
  const [line = ""] = error.message.split("\n");
  if (/WRONGPASS|NOAUTH|invalid password|without any password/i.test(line) || code === "28P01" || code === "28000")
    return new UserError(`--queue ${where}: the server refuses this user or password`);
  if (code === "3D000") return new UserError(`--queue ${where}: the server has no such database; make it first`);
  if (code && /^E[A-Z]+$/.test(code))
    return new UserError(`--queue ${where}: no server answers there (${code}); start it, or check the address`);
  return new UserError(
    `--queue ${where}: what answers there is no such server, or refuses (${error.name}); check the address`,
  );
}
