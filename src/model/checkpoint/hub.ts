import { UserError } from "../../errors";
import { type HttpOptions, httpError, request } from "./http";

/** A file of a model on the Hugging Face hub: `hf:owner/name[@revision][:file]`. */
export interface HubSpec {
  readonly repo: string;
  /** Branch, tag or commit; `main` unless said otherwise. */
  readonly revision: string;
  /** Undefined: the one file that looks like the weights. */
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
    throw new UserError(`"${text}" is not hf:owner/name[@revision][:file]; for example hf:google/ddpm-ema-church-256`);
  return { repo, revision, file };
}

/** Where the weights usually lie in a model's repository, best first. */
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

/** The file a repository's weights are in.
 *  @throws UserError listing the candidates when it is not plain which one. */
export function chooseWeights(files: readonly string[], spec: string): string {
  const known = usual.find((name) => files.includes(name));
  if (known) return known;
  const weights = files.filter((name) => /\.(?:safetensors|ckpt|pt|pth|bin)$/.test(name));
  if (weights.length === 1) return weights[0]!;
  if (weights.length === 0) throw new UserError(`${spec}: the repository holds no weights; check the name`);
  const shown = weights.slice(0, 6).join(", ") + (weights.length > 6 ? ", ..." : "");
  throw new UserError(`${spec}: which file? It holds ${shown}; say ${spec}:FILE`);
}

export const hubHeaders = (options: HubOptions): Record<string, string> => ({
  ...options.headers,
  ...(options.accessToken ? { Authorization: `Bearer ${options.accessToken}` } : {}),
});

/** Fills in the file when the spec names none, from the repository's listing. */
export async function resolveHubFile(spec: HubSpec, options: HubOptions = {}): Promise<HubSpec & { file: string }> {
  if (spec.file !== undefined) return { ...spec, file: spec.file };
  const text = `hf:${spec.repo}${spec.revision === "main" ? "" : `@${spec.revision}`}`;
  const href = `${options.hubUrl ?? HUB_URL}/api/models/${spec.repo}/tree/${encodeURIComponent(spec.revision)}?recursive=true`;
  const response = await request(href, text, {}, { ...options, headers: hubHeaders(options) });
  if (!response.ok) throw await httpError(response, text);
  const listing: unknown = await response.json().catch(() => undefined);
  if (!Array.isArray(listing)) throw new UserError(`${text}: the hub's listing cannot be read; try again later`);
  const files = listing
    .filter((item: { type?: unknown; path?: unknown }) => item.type === "file" && typeof item.path === "string")
    .map((item: { path: string }) => item.path);
  return { ...spec, file: chooseWeights(files, text) };
}

/** The URL a file of the hub is served from, in ranges. */
export function hubFileUrl({ repo, revision, file }: HubSpec & { file: string }, options: HubOptions = {}): string {
  const path = file.split("/").map(encodeURIComponent).join("/");
  return `${options.hubUrl ?? HUB_URL}/${repo}/resolve/${encodeURIComponent(revision)}/${path}`;
}
