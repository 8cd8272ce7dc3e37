import { createHash } from "node:crypto";
import { basename, extname, join, resolve } from "node:path";
import type { InjectParameters, Pixels } from "../api";
import { UserError } from "../errors";
import type { ScheduleName } from "../experiments/gamma-schedule";
import type { Pair } from "../experiments/grid";
import { type ListedPicture, listFolder, readListed } from "./folders";
import type { Chosen } from "./inject-parameters";
import { provenance } from "./provenance";

/** A side of a grid: a folder's pictures, in order. */
export interface Side {
  readonly folder: string;
  readonly pictures: readonly ListedPicture[];
}

/** Everything that decides what the pairs of a grid look like, apart from the pictures and the model. */
export type Recipe = InjectParameters & {
  readonly preset: string;
  readonly tap?: string;
  readonly gammaSchedule: ScheduleName;
  readonly dtype?: string;
  readonly activations?: string;
  readonly precision?: string;
};

/** The part of a recipe that a run takes as its parameters. */
export function parametersOf(recipe: Recipe): InjectParameters {
  const {
    preset: _,
    tap: _tap,
    gammaSchedule: _schedule,
    dtype: _dtype,
    activations: _activations,
    precision: _precision,
    ...parameters
  } = recipe;
  return parameters;
}

/** Which weights a grid is made with. */
export interface ModelIdentity {
  readonly name: string;
  readonly hash: string;
}

/** Definition of a grid: plain data, from which any machine makes any part of it. */
export interface GridPlan {
  readonly contents: Side;
  readonly originals: Side;
  readonly recipe: Recipe;
}

/** The options of the command line that decide what a grid looks like. */
export interface RecipeOptions {
  readonly contents: string;
  readonly originals: string;
  readonly out: string;
  readonly tap?: string;
  readonly gammaSchedule: ScheduleName;
  readonly dtype?: string;
  readonly activations?: string;
  readonly precision?: string;
}

/** Lists both folders. @throws UserError for a folder without pictures */
export async function listSides(
  options: Pick<RecipeOptions, "contents" | "originals">,
  signal: AbortSignal,
): Promise<Pick<GridPlan, "contents" | "originals">> {
  const side = async (folder: string) => ({ folder: resolve(folder), pictures: await listFolder(folder, signal) });
  return { contents: await side(options.contents), originals: await side(options.originals) };
}

/** Lists both folders and puts the recipe together. @throws UserError for a folder without pictures */
export async function planGrid(options: RecipeOptions, chosen: Chosen, signal: AbortSignal): Promise<GridPlan> {
  const { tap, gammaSchedule, dtype, activations, precision } = options;
  const sides = await listSides(options, signal);
  const { preset, stepsInversion, parameters } = chosen;
  const recipe = {
    preset,
    ...parameters,
    stepsInversion,
    ...(tap && { tap }),
    gammaSchedule,
    ...(dtype && { dtype }),
    ...(activations && { activations }),
    ...(precision && { precision }),
  };
  return { ...sides, recipe };
}

export const sizeOf = ({ contents, originals }: GridPlan) => ({
  contents: contents.pictures.length,
  originals: originals.pictures.length,
});

/** Identifies what is made: equal for two plans whose pairs are equal, wherever the folders are. */
export function planDigest({ contents, originals, recipe }: GridPlan, { hash }: Pick<ModelIdentity, "hash">): string {
  const listed = ({ pictures }: Side) => pictures.map(({ name, digest }) => [name, digest]);
  const all = [hash, sorted(recipe), listed(contents), listed(originals)];
  return createHash("sha256").update(JSON.stringify(all)).digest("hex").slice(0, 32);
}

const sorted = (recipe: object) =>
  Object.entries(recipe)
    .filter(([, value]) => value !== undefined) // as JSON has it
    .sort(([a], [b]) => (a < b ? -1 : 1));

/** The parameters in which two recipes differ, as "gamma 0.3 and 0.5"; empty when they agree. */
export function difference(a: Readonly<Record<string, unknown>>, b: Readonly<Record<string, unknown>>): string {
  const shown = (value: unknown) => (value === undefined ? "none" : JSON.stringify(value));
  return [...new Set([...Object.keys(a), ...Object.keys(b)])]
    .filter((key) => shown(a[key]) !== shown(b[key]))
    .map((key) => `${key} ${shown(a[key])} and ${shown(b[key])}`)
    .join(", ");
}

/** A grid's pairs as files: their names, and the text that each carries. */
export class GridFiles {
  readonly #contents: readonly string[];
  readonly #originals: readonly string[];

  constructor(
    readonly plan: GridPlan,
    readonly model: ModelIdentity,
    readonly out: string,
  ) {
    this.#contents = stemsOf(plan.contents.pictures);
    this.#originals = stemsOf(plan.originals.pictures);
  }

  /** ORIGINAL--CONTENT.png; with their extensions where two pictures differ in nothing else. */
  name({ content, original }: Pair): string {
    return `${this.#originals[original]}--${this.#contents[content]}.png`;
  }

  path(pair: Pair): string {
    return join(this.out, this.name(pair));
  }

  content({ content }: Pair): ListedPicture {
    return this.plan.contents.pictures[content]!;
  }

  original({ original }: Pair): ListedPicture {
    return this.plan.originals.pictures[original]!;
  }

  /** Why a pair cannot be made: one of its files is no picture. */
  errorOf(pair: Pair): string | undefined {
    return this.content(pair).error ?? this.original(pair).error;
  }

  text(pair: Pair): Record<string, string> {
    const [c, o] = [this.content(pair), this.original(pair)];
    const names = { original: o.name, content: c.name, digests: [o.digest, c.digest] };
    return provenance(this.model, "grid", { ...this.plan.recipe, ...names });
  }

  read(side: "contents" | "originals", i: number): Promise<Pixels> {
    const { folder, pictures } = this.plan[side];
    return readListed(folder, pictures[i]!);
  }
}

function stemsOf(pictures: readonly ListedPicture[]): string[] {
  const count = new Map<string, number>();
  const short = pictures.map(({ name }) => basename(name, extname(name)));
  for (const stem of short) count.set(stem, (count.get(stem) ?? 0) + 1);
  return pictures.map(({ name }, i) => (count.get(short[i]!) === 1 ? short[i]! : name));
}

/** @throws UserError for a plan read from a file that is none */
export function checkPlan(plan: unknown, file: string): GridPlan {
  const { contents, originals, recipe } = (plan ?? {}) as Partial<GridPlan>;
  const isSide = (side?: Side) => typeof side?.folder === "string" && Array.isArray(side.pictures);
  if (isSide(contents) && isSide(originals) && typeof recipe === "object" && recipe !== null) return plan as GridPlan;
  throw new UserError(`${file}: is no plan of a grid; enqueue the grid again`);
}
