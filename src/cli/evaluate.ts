import { basename } from "node:path";
import { Command } from "commander";
import { UserError } from "../errors";
import {
  type Described,
  fidOf,
  figuresOf,
  gramsOf,
  identitiesOf,
  type SetFigures,
  summarise,
  type Triple,
  type TripleFigures,
} from "../experiments/evaluate";
import { modelFeatures } from "../experiments/model-features";
import { describeOrdering, testOrdering } from "../experiments/ordering";
import { conventions, type FeatureNetwork } from "../metrics/features";
import { mean } from "../metrics/statistics";
import { writeWhole } from "../platform/files-node";
import { openOnnx } from "../platform/onnx-node";
import { openPortraitFeatures } from "../platform/portrait-features-node";
import { type CommonOptions, type Context, withCommonOptions, withExamples, withSession } from "./context";
import { PartialFailure, UsageError } from "./failure";
import { inputFiles } from "./read-picture";
import { pictureCache, readSet } from "./result-sets";
import { aligned, csv } from "./table";
import { Talk } from "./talk";
import { checkTargets, type TargetOptions, withReplaceOption } from "./targets";

interface Options extends CommonOptions, TargetOptions {
  readonly results: string[];
  readonly originals: string;
  readonly contents: string;
  readonly out?: string;
  readonly fid?: string;
  readonly gram?: string;
  readonly identity?: string;
  readonly portraitFeatures?: boolean;
  readonly modelFeatures?: boolean;
  readonly ordered?: boolean;
}

/** `injectfusion evaluate`: the paper's tables, for one or several sets of results. */
export function evaluate(context: Context): Command {
  const command = new Command("evaluate")
    .description("measure results against the originals and contents they were made of")
    .optionsGroup("Pictures:")
    .requiredOption(
      "--results <folder>",
      "results of grid or inject; repeat it to compare sets",
      (value: string, all: string[] = []) => [...all, value],
    )
    .requiredOption("--originals <folder>", "the originals, under the names they had")
    .requiredOption("--contents <folder>", "the contents, under the names they had")
    .optionsGroup("Figures:")
    .option("--out <file.csv>", "table of every result's figures")
    .option("--fid <file.onnx>", "Inception-v3 with pooled features: Fréchet distance of results and originals")
    .option("--gram <file.onnx>", "VGG with feature maps as outputs: Gram distance of result and original")
    .option("--identity <file.onnx>", "ArcFace: cosine similarity of result and content")
    .option("--portrait-features", "these three from the small network trained on the shipped model's drawings")
    .option("--model-features", "these three from the diffusion model's own h, where no other network is at hand")
    .option("--ordered", "the sets are given worst first: test whether the figures agree, and report what is found");
  return withExamples(
    withCommonOptions(withReplaceOption(command)),
    "injectfusion evaluate --results grid/ --originals B/ --contents A/",
    "injectfusion evaluate --results lerp/ --results slerp/ --ordered --portrait-features --originals B/ --contents A/",
  ).action((options: Options) => run(context, options));
}

/** The networks asked for, by what they measure. */
interface Networks {
  readonly fid?: FeatureNetwork;
  readonly gram?: FeatureNetwork;
  readonly identity?: FeatureNetwork;
}

/** One result's figures, as the CSV lists them. */
interface Row extends TripleFigures {
  readonly set: string;
  readonly gram?: number;
  readonly identity?: number;
}

interface Evaluated extends SetFigures {
  readonly fid?: number;
  readonly gram?: number;
  readonly identity?: number;
}

async function run(context: Context, options: Options): Promise<void> {
  const { portraitFeatures, fid, gram, identity } = options;
  if (options.ordered && !(portraitFeatures || options.modelFeatures || fid || gram || identity))
    throw new UsageError("--ordered compares fid, gram and identity; add --portrait-features, or networks of your own");
  if (options.ordered && options.results.length < 2)
    throw new UsageError("--ordered compares sets: give --results twice or more, the worst first");
  if (options.out) {
    const networks = inputFiles(["--fid", fid], ["--gram", gram], ["--identity", identity]);
    await checkTargets([{ flag: "--out", file: options.out }], networks, options);
  }
  const talk = new Talk(context.terminal, options.quiet);
  const failures: string[] = [];
  const sets: { name: string; triples: Triple[] }[] = [];
  const read = pictureCache();
  for (const folder of options.results)
    sets.push({ name: folder, triples: await readSet(folder, options, read, failures) });
  for (const failure of failures) context.terminal.stderr.write(`failed: ${failure}\n`);
  if (sets.every(({ triples }) => triples.length === 0)) throw new UserError("no result could be measured");
  const named = {
    ...(portraitFeatures && (await openPortraitFeatures())),
    ...(fid && { fid: await openOnnx(fid, conventions.inception) }),
    ...(gram && { gram: await openOnnx(gram, conventions.vgg) }),
    ...(identity && { identity: await openOnnx(identity, conventions.arcface) }),
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
  const { networks, table } = measured;
  const ordering = options.ordered ? orderingOf(measured) : undefined;
  if (options.json) talk.result(JSON.stringify({ networks, sets: table, ...(ordering && { ordering }), failures }));
  else {
    const rows = table.map((row) => Object.values(row) as (string | number)[]);
    for (const line of aligned(Object.keys(table[0]!), rows)) talk.result(line);
    for (const line of describeOrdering(ordering ?? [], shortNames(table))) talk.result(line);
  }
  if (failures.length > 0) throw new PartialFailure();
}

async function measureSets(
  sets: readonly { name: string; triples: readonly Triple[] }[],
  networks: Networks,
  talk: Talk,
  signal: AbortSignal,
) {
  const rows: Row[] = [];
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
      const described = await describeAll(triples, networks, signal);
      const grams = described.gram && gramsOf(described.gram);
      const identities = described.identity && identitiesOf(described.identity);
      rows.push(
        ...own.map((row, i) => ({
          set: name,
          ...row,
          ...(grams && { gram: grams[i]! }),
          ...(identities && { identity: identities[i]! }),
        })),
      );
      table.push({
        ...summarise(name, own),
        ...(described.fid && { fid: fidOf(triples, described.fid) }),
        ...(grams && { gram: mean(grams) }),
        ...(identities && { identity: mean(identities) }),
      });
    }
  });
  const used = Object.entries(networks).map(([what, network]) => [
    what,
    { name: network.name, ...("sha256" in network && { sha256: network.sha256 }) },
  ]);
  return { rows, table, networks: Object.fromEntries(used) as Record<string, unknown> };
}

/** The sets by the last part of their paths, where that tells them apart. */
function shortNames(table: readonly Evaluated[]): string[] {
  const short = table.map(({ set }) => basename(set));
  return new Set(short).size === short.length ? short : table.map(({ set }) => set);
}

function orderingOf({ rows, table }: { readonly rows: readonly Row[]; readonly table: readonly Evaluated[] }) {
  return testOrdering(
    table.map((figures, i) => ({
      name: shortNames(table)[i]!,
      figures,
      results: new Map(rows.filter(({ set }) => set === figures.set).map((row) => [row.name, row])),
    })),
  );
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
