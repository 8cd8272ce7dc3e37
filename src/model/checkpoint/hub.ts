import { UserError } from "../../errors";
import { type ChooseOptions, chooseWeights } from "./choose";
import { shown } from "./container";
import { type HttpOptions, httpError, request } from "./http";
import { readUpTo, STALL_TIMEOUT } from "./stall";

/** A file of a model on the Hugging Face hub: `hf:owner/name[@revision][:file]`. */
export interface HubSpec {
  readonly repo: string;
  /** Branch, tag or commit; default `main`. */
  readonly revision: string;
  /** A file, or a folder of the repository; undefined: the weights of the whole. */
  readonly file: string | undefined;
}

export interface HubOptions extends HttpOptions, ChooseOptions {
  readonly hubUrl?: string;
  /** For private and gated models. */
  readonly accessToken?: string;
}

export const HUB_URL = "https://huggingface.co";

export const isHubSpec = (text: string): boolean => text.startsWith("hf:");

/** @throws UserError when it is not `hf:owner/name[@revision][:file]`. */
export function parseHubSpec(text: string): HubSpec {
  const match = /^hf:([\w.-]+\/[\w.-]+)(?:@([^:@]+))?(?::([^:]+))?$/.exec(text);
  const [, repo, revision = "main", file] = match ?? [];
  if (!repo || file?.split("/").includes(".."))
    throw new UserError(
      `"${shown(text)}" is not hf:owner/name[@revision][:file]; for example hf:google/ddpm-ema-church-256`,
    );
  return { repo, revision, file };
}

export const hubHeaders = (options: HubOptions): Record<string, string> => ({
  ...options.headers,
  ...(options.accessToken ? { Authorization: `Bearer ${options.accessToken}` } : {}),
});

/** Listing of a repository with thousands of files. */
const MAX_LISTING_BYTES = 2 ** 22;

function parsed(bytes: Uint8Array): unknown {
  try {
    return JSON.parse(new TextDecoder().decode(bytes));
  } catch {
    return undefined;
  }
}

/** Completes a spec that names no file, or a folder, from the repository's listing. */
export async function resolveHubFile(spec: HubSpec, options: HubOptions = {}): Promise<HubSpec & { file: string }> {
  const { file } = spec;
  if (file !== undefined && /\.\w+$/.test(file)) return { ...spec, file };
  const text = `hf:${spec.repo}${spec.revision === "main" ? "" : `@${spec.revision}`}`;
  const href = `${options.hubUrl ?? HUB_URL}/api/models/${spec.repo}/tree/${encodeURIComponent(spec.revision)}?recursive=true`;
  const response = await request(href, text, {}, { ...options, headers: hubHeaders(options) });
  if (!response.ok) throw await httpError(response, text);
  const { stallTimeout = STALL_TIMEOUT, signal } = options;
  const { bytes } = await readUpTo(response, MAX_LISTING_BYTES, stallTimeout, signal).catch((error) => {
    if (signal?.aborted) throw error;
    return { bytes: new Uint8Array(0) };
  });
  const listing = parsed(bytes);
  if (!Array.isArray(listing)) throw new UserError(`${text}: the hub's listing cannot be read; try again later`);
  const files = listing
    .filter((item): item is { path: string } => item?.type === "file" && typeof item.path === "string")
    .map(({ path }) => path);
  const folder = file === undefined ? "" : `${file.replace(/\/$/, "")}/`;
  const inside = files.filter((name) => name.startsWith(folder)).map((name) => name.slice(folder.length));
  if (file !== undefined && inside.length === 0) return { ...spec, file };
  return { ...spec, file: folder + chooseWeights(inside, folder ? `${text}:${file}` : text, options) };
}

/** URL of a file of the hub, which is served in ranges. */
export function hubFileUrl({ repo, revision, file }: HubSpec & { file: string }, options: HubOptions = {}): string {
  const path = file.split("/").map(encodeURIComponent).join("/");
  return `${options.hubUrl ?? HUB_URL}/${repo}/resolve/${encodeURIComponent(revision)}/${path}`;
}
