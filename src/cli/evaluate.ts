import { join } from "node:path";
import { Command } from "commander";
import type { Pixels } from "../api";
import { UserError } from "../errors";
import {
  type Described,
  fidOf,
  figuresOf,
  gramOf,
  identityOf,
  type SetFigures,
  summarise,
  type Triple,
  type TripleFigures,
} from "../experiments/evaluate";
import { modelFeatures } from "../experiments/model-features";
import { conventions, type FeatureNetwork } from "../metrics/features";
import { checkWritable, readWhole, writeWhole } from "../platform/files-node";
import { decodeImage, resize } from "../platform/images-node";
import { openOnnx } from "../platform/onnx-node";
import { readPngText } from "../platform/png-text";
import { type CommonOptions, type Context, withCommonOptions, withSession } from "./context";
import { PartialFailure } from "./failure";
import { pictureNames } from "./folders";
import { aligned, csv } from "./table";
import { Talk } from "./talk";

interface Options extends CommonOptions {
  readonly results: string[];
  readonly originals: string;
  readonly contents: string;
  readonly out?: string;
  readonly fid?: string;
  readonly gram?: string;
  readonly identity?: string;
  readonly modelFeatures?: boolean;
}

/** `injectfusion evaluate`: the paper's tables, for one or several sets of results. */
export function evaluate(context: Context): Command {
  const command = new Command("evaluate")
    .description("measure results against the originals and contents they were made of")
    .requiredOption(
      "--results <folder>",
      "results of grid or inject; repeat it to compare sets",
      (value: string, all: string[]) => [...all, value],
      [],
    )
    .requiredOption("--originals <folder>", "the originals, under the names they had")
    .requiredOption("--contents <folder>", "the contents, under the names they had")
    .option("--out <file.csv>", "also write every result's figures")
    .option("--fid <file.onnx>", "Inception-v3 with pooled features: Fréchet distance of results and originals")
    .option("--gram <file.onnx>", "VGG with feature maps as outputs: Gram distance of result and original")
    .option("--identity <file.onnx>", "ArcFace: cosine similarity of result and content")
    .option("--model-features", "these three from the diffusion model's own h, where no other network is at hand");
  return withCommonOptions(command).action((options: Options) => run(context, options));
}

/** The networks asked for, by what they measure. */
interface Networks {
  readonly fid?: FeatureNetwork;
  readonly gram?: FeatureNetwork;
  readonly identity?: FeatureNetwork;
}

interface Evaluated extends SetFigures {
  readonly fid?: number;
  readonly gram?: number;
  readonly identity?: number;
}

async function run(context: Context, options: Options): Promise<void> {
  if (options.results.length === 0) throw new UserError("no results; give --results FOLDER");
  if (options.out) await checkWritable(options.out);
  const talk = new Talk(context.terminal, options.quiet);
  const failures: string[] = [];
  const sets: { name: string; triples: Triple[] }[] = [];
  const read = pictureCache();
  for (const folder of options.results)
    sets.push({ name: folder, triples: await readSet(folder, options, read, failures) });
  for (const failure of failures) context.terminal.stderr.write(`failed: ${failure}\n`);
  if (sets.every(({ triples }) => triples.length === 0)) throw new UserError("no result could be measured");
  const named = {
    ...(options.fid && { fid: await openOnnx(options.fid, conventions.inception) }),
    ...(options.gram && { gram: await openOnnx(options.gram, conventions.vgg) }),
    ...(options.identity && { identity: await openOnnx(options.identity, conventions.arcface) }),
  };
  const measure = (networks: Networks) => measureSets(sets, networks, talk, context.signal);
  const measured = options.modelFeatures
    ? await withSession(
        context,
        options,
        ({ model }) => {
          const own = modelFeatures(model);
          return measure({ fid: own, gram: own, identity: own, ...named });
        },
        talk,
      )
    : await measure(named);
  if (options.out) {
    const rows = measured.rows.map((row) => Object.values(row));
    await writeWhole(options.out, csv(Object.keys(measured.rows[0]!), rows));
  }
  if (options.json) talk.result(JSON.stringify({ networks: measured.networks, sets: measured.table, failures }));
  else {
    const columns = Object.keys(measured.table[0]!);
    for (const line of aligned(
      columns,
      measured.table.map((row) => Object.values(row) as (string | number)[]),
    ))
      talk.result(line);
  }
  if (failures.length > 0) throw new PartialFailure();
}

async function measureSets(
  sets: readonly { name: string; triples: readonly Triple[] }[],
  networks: Networks,
  talk: Talk,
  signal: AbortSignal,
) {
  const rows: ({ set: string } & TripleFigures)[] = [];
  const table: Evaluated[] = [];
  const all = sets.reduce((sum, { triples }) => sum + triples.length, 0);
  await talk.phase("measure", async (report) => {
    for (const { name, triples } of sets) {
      if (triples.length === 0) continue;
      const own: TripleFigures[] = [];
      for (const triple of triples) {
        signal.throwIfAborted();
        own.push(figuresOf(triple));
        report(rows.length + own.length, all);
        await new Promise((resolve) => setImmediate(resolve)); // lets Ctrl-C in
      }
      rows.push(...own.map((row) => ({ set: name, ...row })));
      const described = await describeAll(triples, networks, signal);
      table.push({
        ...summarise(name, own),
        ...(described.fid && { fid: fidOf(triples, described.fid) }),
        ...(described.gram && { gram: gramOf(described.gram) }),
        ...(described.identity && { identity: identityOf(described.identity) }),
      });
    }
  });
  const used = Object.entries(networks).map(([what, network]) => [
    what,
    { name: network.name, ...("sha256" in network && { sha256: network.sha256 }) },
  ]);
  return { rows, table, networks: Object.fromEntries(used) as Record<string, unknown> };
}

/** Every picture through every network once, though a network may serve several measures. */
async function describeAll(triples: readonly Triple[], networks: Networks, signal: AbortSignal) {
  const known = new Map<FeatureNetwork, Described>();
  for (const network of Object.values(networks) as FeatureNetwork[]) {
    if (known.has(network)) continue;
    const distinct = [...new Set(triples.flatMap(({ result, original, content }) => [result, original, content]))];
    const embeddings = await network.embed(distinct, signal);
    const of = new Map(distinct.map((picture, i) => [picture, embeddings[i]!]));
    const list = (side: "result" | "original" | "content") => triples.map((triple) => of.get(triple[side])!);
    known.set(network, { results: list("result"), originals: list("original"), contents: list("content") });
  }
  const pick = (network: FeatureNetwork | undefined) => (network ? known.get(network) : undefined);
  return { fid: pick(networks.fid), gram: pick(networks.gram), identity: pick(networks.identity) };
}

type ReadPicture = (file: string, side: number) => Promise<Pixels>;

/** Decodes each file once per size, so that pictures can be told apart by identity. */
function pictureCache(): ReadPicture {
  const known = new Map<string, Promise<Pixels>>();
  return (file, side) => {
    const key = `${side} ${file}`;
    const found = known.get(key) ?? decodeImage(file).then((picture) => resize(picture, side, side));
    known.set(key, found);
    return found;
  };
}

/** The results of a folder with what they were made of; what cannot be matched is noted in `failures`. */
async function readSet(folder: string, options: Options, read: ReadPicture, failures: string[]): Promise<Triple[]> {
  const triples: Triple[] = [];
  for (const name of await pictureNames(folder)) {
    const file = join(folder, name);
    try {
      const bytes = await readWhole(file);
      const origin = originOf(bytes);
      if (!origin) {
        if (name !== "sheet.png")
          failures.push(`${file}: does not say what it was made of (PNG text of grid or inject)`);
        continue;
      }
      const result = await decodeImage(bytes, file);
      const original = await read(join(options.originals, origin.original), result.width);
      const content = await read(join(options.contents, origin.content), result.width);
      triples.push({ name, result, original, content });
    } catch (error) {
      if (!(error instanceof UserError)) throw error;
      failures.push(error.message);
    }
  }
  return triples;
}

/** Original and (first) content of a result, from its PNG text. */
function originOf(bytes: Uint8Array): { original: string; content: string } | undefined {
  try {
    const made = JSON.parse(readPngText(bytes).Parameters ?? "") as {
      original?: unknown;
      content?: unknown;
      contents?: unknown;
    };
    const content = Array.isArray(made.contents) ? made.contents[0] : made.content;
    if (typeof made.original !== "string" || typeof content !== "string") return undefined;
    return { original: made.original, content };
  } catch {
    return undefined;
  }
}
