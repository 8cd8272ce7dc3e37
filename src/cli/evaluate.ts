import { basename } from "node:path";
import { Command } from "commander";
import { UserError } from "../errors";
import { grouped } from "../experiments/batches";
import { type Shard, shardRange } from "../experiments/blocks";
import { type SetFigures, summarise } from "../experiments/evaluate";
import { fidOf } from "../experiments/feature-sets";
import { type Networks, type Row, SetMeasurer } from "../experiments/measure";
import { modelFeatures } from "../experiments/model-features";
import { describeOrdering, testOrdering } from "../experiments/ordering";
import { conventions, type FeatureNetwork } from "../metrics/features";
import { mean } from "../metrics/statistics";
import { writeWhole } from "../platform/files-node";
import { openOnnx } from "../platform/onnx-node";
import { openPortraitFeatures } from "../platform/portrait-features-node";
import { type CommonOptions, type Context, withCommonOptions, withExamples, withSession } from "./context";
import { mergeParts, namesDigest, type Part, partFile, type SetPart, writePart } from "./evaluate-parts";
import { PartialFailure, UsageError } from "./failure";
import { pictureNames } from "./folders";
import { inputFiles } from "./read-picture";
import { Reporter } from "./reporter";
import { pictureCache, readTriples, type SetFolders, setFolders } from "./result-sets";
import { resolveShard, type ShardOption, shardOption } from "./shards";
import { aligned, csv } from "./table";
import { checkTargets, type TargetOptions, withReplaceOption } from "./targets";

interface Options extends CommonOptions, TargetOptions {
  readonly shard?: ShardOption;
  readonly merge?: boolean;
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
    .option("--ordered", "the sets are given worst first: test whether the figures agree, and report what is found")
    .optionsGroup("On several machines (docs/scale):")
    .addOption(shardOption("measure one part of the results:"))
    .option("--merge", "put the shards beside --out together, as one run would have measured");
  return withExamples(
    withCommonOptions(withReplaceOption(command)),
    "injectfusion evaluate --results grid/ --originals B/ --contents A/",
    "injectfusion evaluate --results lerp/ --results slerp/ --ordered --portrait-features --originals B/ --contents A/",
  ).action((options: Options) => run(context, options));
}

interface Evaluated extends SetFigures {
  readonly fid?: number;
  readonly gram?: number;
  readonly identity?: number;
}

async function run(context: Context, options: Options): Promise<void> {
  const { terminal } = context;
  const shard = checkUsage(options);
  const { out } = options;
  const { fid, gram, identity } = options;
  const written = out && (shard ? partFile(out, shard) : out);
  if (written) {
    const networks = inputFiles(["--fid", fid], ["--gram", gram], ["--identity", identity]);
    await checkTargets([{ flag: "--out", file: written }], networks, options);
  }
  const reporter = new Reporter(terminal, options.quiet);
  const sets: ListedSet[] = [];
  for (const folder of options.results) {
    const names = await pictureNames(folder);
    sets.push({ set: folder, results: names, names: namesDigest(names) });
  }
  const parts = options.merge
    ? await reporter.phase("merge", () => mergeParts(out!, sets))
    : await measureAll(context, options, sets, shard, reporter);
  const failures = [...parts.failures];
  for (const failure of failures) terminal.stderr.write(`failed: ${failure}\n`);
  if (shard) {
    await writePart(written!, { shard, ...parts });
    reporter.result(options.json ? JSON.stringify({ part: written, shard, failures }) : written!);
  } else await report(options, parts, reporter);
  if (failures.length > 0) throw new PartialFailure();
}

/** @throws UsageError for options that contradict each other, or miss another */
function checkUsage(options: Options): Shard | undefined {
  const { portraitFeatures, modelFeatures, fid, gram, identity, merge, out } = options;
  if (options.ordered && !(merge || portraitFeatures || modelFeatures || fid || gram || identity))
    throw new UsageError("--ordered compares fid, gram and identity; add --portrait-features, or networks of your own");
  if (options.ordered && options.results.length < 2)
    throw new UsageError("--ordered compares sets: give --results twice or more, the worst first");
  if (merge && options.shard) throw new UsageError("--merge puts all shards together; leave out --shard");
  if ((merge || options.shard) && !out)
    throw new UsageError(`--${merge ? "merge" : "shard"} needs --out FILE.csv: the shards lie beside it`);
  return options.shard && resolveShard(options.shard);
}

/** A set as it is listed, before anything of it is read. */
interface ListedSet {
  readonly set: string;
  readonly results: readonly string[];
  /** digest of their names */
  readonly names: string;
}

/** Prints the table, and writes the figures of every result. */
async function report(
  options: Options,
  { sets, networks, failures }: Omit<Part, "shard">,
  reporter: Reporter,
): Promise<void> {
  const rows = sets.flatMap((part) => part.rows);
  if (rows.length === 0) throw new UserError("no result could be measured");
  const table = sets.flatMap((part) => (part.rows.length > 0 ? [evaluated(part)] : []));
  if (options.out)
    await writeWhole(
      options.out,
      csv(
        Object.keys(rows[0]!),
        rows.map((row) => Object.values(row)),
      ),
    );
  const ordering = options.ordered ? orderingOf({ rows, table }) : undefined;
  if (options.json) reporter.result(JSON.stringify({ networks, sets: table, ...(ordering && { ordering }), failures }));
  else {
    const lines = table.map((row) => Object.values(row) as (string | number)[]);
    for (const line of aligned(Object.keys(table[0]!), lines)) reporter.result(line);
    for (const line of describeOrdering(ordering ?? [], shortNames(table))) reporter.result(line);
  }
}

function evaluated({ set, rows, features }: SetPart): Evaluated {
  const over = (figure: "gram" | "identity") =>
    rows[0]![figure] === undefined ? {} : { [figure]: mean(rows.map((row) => row[figure]!)) };
  return {
    ...summarise(set, rows),
    ...(features && { fid: fidOf(features) }),
    ...over("gram"),
    ...over("identity"),
  };
}

/** Opens the networks asked for, and measures this shard's results, or all. */
async function measureAll(
  context: Context,
  options: Options,
  sets: readonly ListedSet[],
  shard: Shard | undefined,
  reporter: Reporter,
): Promise<Omit<Part, "shard">> {
  const folders = await setFolders(options);
  const { portraitFeatures, fid, gram, identity } = options;
  const open = async () => ({
    ...(portraitFeatures && (await openPortraitFeatures())),
    ...(fid && { fid: await openOnnx(fid, conventions.inception) }),
    ...(gram && { gram: await openOnnx(gram, conventions.vgg) }),
    ...(identity && { identity: await openOnnx(identity, conventions.arcface) }),
  });
  const measure = async (networks: Networks) =>
    measureSets(sets, shard, { folders, networks, signal: context.signal }, reporter);
  if (!shard && !(await isAnyMeasurable(sets, folders))) return measure({}); // says why, and opens nothing
  if (!options.modelFeatures) return measure(await open());
  return withSession(
    context,
    options,
    async ({ model }) => {
      const own = modelFeatures(model);
      return measure({ fid: own, gram: own, identity: own, ...(await open()) });
    },
    reporter,
  );
}

/** Whether a result can be matched with what it was made of: looks for the first. */
async function isAnyMeasurable(sets: readonly ListedSet[], folders: SetFolders): Promise<boolean> {
  const read = pictureCache();
  for (const { set, results } of sets)
    for (const name of results) if ((await readTriples(set, [name], folders, read, [])).length > 0) return true;
  return false;
}

/** Results read at a time. */
const CHUNK = 32;

async function measureSets(
  sets: readonly ListedSet[],
  shard: Shard | undefined,
  { folders, networks, signal }: { folders: SetFolders; networks: Networks; signal: AbortSignal },
  reporter: Reporter,
): Promise<Omit<Part, "shard">> {
  const own = sets.map(({ results }) => {
    const { from, to } = shard ? shardRange(results.length, shard) : { from: 0, to: results.length };
    return results.slice(from, to);
  });
  const all = own.reduce((sum, { length }) => sum + length, 0);
  const failures: string[] = [];
  const read = pictureCache();
  const parts: SetPart[] = [];
  await reporter.phase("measure", async (report) => {
    let done = 0;
    for (const [k, { set, results, names }] of sets.entries()) {
      const measurer = new SetMeasurer(set, results.length, networks);
      for (const chunk of grouped(own[k]!, CHUNK)) {
        const triples = await readTriples(set, chunk, folders, read, failures);
        done += chunk.length - triples.length;
        await measurer.add(triples, signal, async () => {
          report(++done, all);
          await new Promise((resolve) => setImmediate(resolve)); // lets Ctrl-C in
        });
      }
      parts.push({ set, names, ...measurer.measured() });
    }
  });
  const used = Object.entries(networks).map(([what, network]: [string, FeatureNetwork]) => [
    what,
    { name: network.name, ...("sha256" in network && { sha256: network.sha256 }) },
  ]);
  return { sets: parts, networks: Object.fromEntries(used) as Record<string, unknown>, failures };
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
