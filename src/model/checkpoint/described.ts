import { UserError } from "../../errors";
import type { UNetConfig } from "../config";
import { DDPM_SCHEDULE, type Schedule } from "../schedule";
import type { Checkpoint } from "./checkpoint";
import { compareFacts, type Json, readDiffusersConfig } from "./diffusers-config";
import { checkConfig, configOf, type Found, factsOf, guessResolution, inferFacts } from "./infer";
import type { Layout } from "./layout";
import { lucidrainsSettings, processOf } from "./lucidrains";
import { metadataConfig, metadataSettings } from "./own-metadata";
import { readPipeline, schedulerFiles } from "./pipeline";
import { readSchedule } from "./scheduler-config";
import { defaults, type Layer, type Provenance, type Resolution, sizeOf } from "./settings";
import { firstOf, parseObject, type SideFile, sideFile } from "./side-files";
import type { ByteSource } from "./source";

/** Facts that weights do not give; the caller may. Each wins over what the file and its side files say. */
export interface ConfigHints {
  /** Size of the pictures in pixels: side of a square, or width and height. */
  readonly resolution?: Resolution | undefined;
  /** Width of one attention head; ADM's default is 64. */
  readonly headChannels?: number | undefined;
  /** Number of heads, where their width depends on the level (instead of `headChannels`). */
  readonly heads?: number | undefined;
  /** ADM: number of heads on the way up, where it is another (`num_heads_upsample`). */
  readonly headsUp?: number | undefined;
  readonly qkvOrder?: "legacy" | "new" | undefined;
  /** Groups of group norm. */
  readonly groups?: number | undefined;
  /** Epsilon of group norm. */
  readonly eps?: number | undefined;
  /** The arithmetic that a diffusers-named file without a config follows: that of DDPM and google's repositories of 2022, or
   *  the defaults of diffusers' UNet2DModel. */
  readonly family?: "ddpm" | "diffusers" | undefined;
  /** A diffusers `config.json` (its content), in place of the one beside the weights. */
  readonly config?: Json | undefined;
  /** A diffusers `scheduler_config.json` (its content), or a `Schedule`: the noise that the network was trained on, and the
   *  meaning of its output. */
  readonly schedule?: object | undefined;
}

export interface DescribeOptions extends ConfigHints {
  readonly signal?: AbortSignal;
  /** arithmetic of a diffusers-named file about which nothing is said anywhere: known of the paper's models */
  readonly fallback?: "ddpm" | undefined;
}

/** A network's configuration, and where each setting was found. */
export interface Described {
  readonly config: UNetConfig;
  readonly schedule: Schedule;
  readonly from: Provenance;
}

type Named = Checkpoint & { readonly layout: Layout };

/** Puts a configuration together: from what the caller says, then the file's metadata, then `config.json` beside it, then
 *  the defaults of the family; shapes say the rest, and contradictions are errors.
 *  @throws UserError */
export async function describe(source: ByteSource, named: Named, options: DescribeOptions): Promise<Described> {
  const found = inferFacts(named.tensors);
  const own = metadataConfig(named.metadata, named.file);
  const layers: Layer[] = [
    { from: "given", settings: given(options) },
    ...(options.family ? [{ ...defaults[options.family], from: `family ${options.family}, given` }] : []),
  ];
  const diffusers = named.layout.startsWith("B");
  const pipeline = diffusers ? await readPipeline(source, options.signal) : undefined;
  if (options.config) layers.push(upstream(options.config, "the config given", found, options));
  layers.push({ from: "the file's metadata", settings: metadataSettings(own) });
  const side = diffusers && !options.config ? await sideFile(source, "config.json", options.signal) : undefined;
  if (pipeline && !side && !options.config)
    throw new UserError(
      `${pipeline.file}: is of a pipeline, but the config.json of its U-Net is missing; download it too`,
    );
  if (side) layers.push(upstream(side.json, side.file, found, options));
  compareOwn(own, found, named.file);
  if (found.family === "lucidrains")
    layers.push({ from: "the names of its tensors", settings: lucidrainsSettings(named.layout === "L-old") });
  if (named.layout === "K") {
    const { kerasSettings } = await import("./keras");
    layers.push({ from: "the graph", settings: await kerasSettings(named, options.signal) });
  }
  layers.push(...familyDefaults(found, named, layers, options, Boolean(side ?? options.config)));
  const guess = guessResolution(found.attention) ?? 256;
  const sized =
    (!diffusers && named.layout !== "K" && found.family !== "lucidrains") ||
    options.family === "ddpm" ||
    options.fallback;
  if (sized) layers.push({ from: "guessed from the attention levels", settings: { height: guess, width: guess } });
  const { config, from } = configOf(named.tensors, layers);
  checkConfig(config);
  const schedule = await scheduleOf(source, named, options, pipeline);
  return { config, schedule: schedule.schedule, from: { ...from, schedule: schedule.from } };
}

/** The schedule, from the caller, the file's metadata, or scheduler_config.json. */
async function scheduleOf(
  source: ByteSource,
  named: Named,
  { schedule, signal }: DescribeOptions,
  pipeline: SideFile | undefined,
): Promise<{ schedule: Schedule; from: string }> {
  const { metadata, file, layout } = named;
  if (schedule) return { schedule: readSchedule(schedule as Json, "the schedule given"), from: "given" };
  if (metadata.schedule !== undefined) {
    const own = parseObject(metadata.schedule, `${file}: its metadata "schedule"`);
    return { schedule: readSchedule(own, file), from: "the file's metadata" };
  }
  if (layout.startsWith("L")) {
    const process = await processOf(named, signal);
    if (process) return process;
    throw new UserError(
      `${file}: holds a bare U-Net, which does not tell what it predicts from what noise; give the schedule (schedule, --schedule), or the file that its Trainer saved`,
    );
  }
  if (layout === "K")
    throw new UserError(
      `${file}: a TF.js graph does not tell what noise it was trained on; give the schedule (schedule, --schedule), or say which model it is, as in anime64=FILE`,
    );
  if (!layout.startsWith("B")) return { schedule: DDPM_SCHEDULE, from: "DDPM's defaults" };
  const side = await firstOf(source, schedulerFiles, signal);
  if (side) return { schedule: readSchedule(side.json, side.file), from: side.file };
  if (Array.isArray(pipeline?.json.scheduler) && pipeline.json.scheduler[1])
    throw new UserError(
      `${pipeline.file}: names a scheduler, but scheduler/scheduler_config.json is missing; download it too, or give it (--schedule)`,
    );
  return { schedule: DDPM_SCHEDULE, from: "DDPM's defaults, assumed: there is no scheduler_config.json" };
}

function given({ resolution, headChannels, heads, headsUp, qkvOrder, groups, eps }: ConfigHints): Layer["settings"] {
  const own = { headChannels, heads, headsUp, qkvOrder, groups, eps };
  const set = Object.fromEntries(Object.entries(own).filter(([, value]) => value !== undefined));
  return { ...set, ...(resolution !== undefined && sizeOf(resolution)) };
}

/** A diffusers config as a layer, once it agrees with the shapes. */
function upstream(config: Json, file: string, found: Found, options: ConfigHints): Layer {
  const { settings, facts } = readDiffusersConfig(config, file);
  if (found.family !== "ddpm")
    throw new UserError(
      `${file}: is of a UNet2DModel, the weights are of ${found.family === "adm" ? "ADM" : "lucidrains"}'s code`,
    );
  compareFacts(facts, factsOf(found), file);
  const version = String(config._diffusers_version ?? "");
  if (/^0\.[0-3]\./.test(version) && (settings.groups ?? 32) !== 32 && options.groups === undefined)
    throw new UserError(
      `${file}: norm_num_groups is ${settings.groups}, but diffusers ${version} used 32 groups in its blocks all the same; say which it is (groups, --groups)`,
    );
  return { from: file, settings };
}

/** Defaults of the family.
 *  @throws UserError for a file of diffusers' names that says nothing of itself: its shapes fit several networks */
function familyDefaults(
  found: Found,
  { file, layout }: Named,
  layers: readonly Layer[],
  { family, fallback }: DescribeOptions,
  configured: boolean,
): Layer[] {
  if (found.family === "adm") return [defaults.adm];
  if (found.family === "lucidrains") return [defaults.lucidrains];
  if (layout === "K") return [defaults.keras];
  if (!layout.startsWith("B")) return [defaults.ddpm];
  if (configured) return [defaults.diffusers];
  const said = (key: keyof Layer["settings"]) => layers.some(({ settings }) => settings[key] !== undefined);
  const whole = said("pad") && said("embedding") && (said("headChannels") || said("heads"));
  if (whole) return [defaults.diffusers];
  if (fallback && !family) return [defaults[fallback]];
  throw new UserError(
    `${file}: diffusers' names without a config.json, and its shapes do not tell padding, time embedding and heads; put the config.json beside it or give it (--config), or choose the arithmetic: --family ddpm for google's ddpm-* models of 2022 (or celebahq=FILE and the like), --family diffusers for the library's defaults`,
  );
}

/** @throws UserError when our own metadata are of another network than the weights, with both values. */
function compareOwn(own: Json, found: Found, file: string): void {
  if (own.family === undefined) return;
  for (const [key, has] of Object.entries(found)) {
    if (key === "qkvRows" || own[key] === undefined || JSON.stringify(own[key]) === JSON.stringify(has)) continue;
    throw new UserError(
      `${file}: its metadata give ${key} ${JSON.stringify(own[key])}, the weights have ${JSON.stringify(has)}; re-save the file`,
    );
  }
}
