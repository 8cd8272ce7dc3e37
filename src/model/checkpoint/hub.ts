import { UserError } from "../../errors";
import { shown } from "./container";
import { type HttpOptions, httpError, request } from "./http";
import { readUpTo, STALL_TIMEOUT } from "./stall";

/** A file of a model on the Hugging Face hub: `hf:owner/name[@revision][:file]`. */
export interface HubSpec {
  readonly repo: string;
  /** Branch, tag or commit; default `main`. */
  readonly revision: string;
  /** Default: the one file that looks like the weights. */
  readonly file: string | undefined;
}

export interface HubOptions extends HttpOptions {
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

/** Usual places of the weights in a model's repository, best first. */
const usual = [
  "diffusion_pytorch_model.safetensors",
  "unet/diffusion_pytorch_model.safetensors",
  "diffusion_pytorch_model.safetensors.index.json",
  "unet/diffusion_pytorch_model.safetensors.index.json",
  "model.safetensors",
  "diffusion_pytorch_model.bin",
  "unet/diffusion_pytorch_model.bin",
  "pytorch_model.bin",
];

/** Chooses the file with the weights in a repository.
 *  @throws UserError listing the candidates when there are several */
export function chooseWeights(files: readonly string[], spec: string): string {
  const known = usual.find((name) => files.includes(name));
  if (known) return known;
  const weights = files.filter((name) => /\.(?:safetensors|ckpt|pt|pth|bin)$/.test(name));
  if (weights.length === 1) return weights[0]!;
  if (weights.length === 0) throw new UserError(`${spec}: the repository holds no weights; check the name`);
  const few = shown(weights.slice(0, 6).join(", "), 200) + (weights.length > 6 ? ", ..." : "");
  throw new UserError(`${spec}: which file? It holds ${few}; say ${spec}:FILE`);
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

/** Completes a spec that names no file from the repository's listing. */
export async function resolveHubFile(spec: HubSpec, options: HubOptions = {}): Promise<HubSpec & { file: string }> {
  if (spec.file !== undefined) return { ...spec, file: spec.file };
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
  return { ...spec, file: chooseWeights(files, text) };
}

/** URL of a file of the hub, which is served in ranges. */
export function hubFileUrl({ repo, revision, file }: HubSpec & { file: string }, options: HubOptions = {}): string {
  const path = file.split("/").map(encodeURIComponent).join("/");
  return `${options.hubUrl ?? HUB_URL}/${repo}/resolve/${encodeURIComponent(revision)}/${path}`;
}
