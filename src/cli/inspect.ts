import { Command } from "commander";
import { knownOf, presetOf } from "../load";
import { type Inspection, inspectCheckpoint } from "../model/checkpoint/inspect";
import { openSource } from "../model/checkpoint/source-node";
import { isConditional, type UNetConfig, widthOf } from "../model/config";
import type { Schedule } from "../model/schedule";
import { expectModel } from "../platform/node";
import { type HintFlags, hintsOf, withHintFlags } from "./checkpoint-flags";
import { type Context, withExamples } from "./context";
import { PartialFailure } from "./failure";
import { Reporter } from "./reporter";

/** `injectfusion inspect FILE`: describes a checkpoint from its headers alone. Exit status 1 when it would not load. */
export const inspect = ({ terminal, signal }: Pick<Context, "terminal" | "signal">) =>
  withExamples(
    withHintFlags(
      new Command("inspect")
        .description("show what a checkpoint holds: container, layout, configuration, counts, unexpected names")
        .argument("<file>", "path, URL or hf:owner/name[@revision][:file]")
        .option("--json", "print the report as JSON"),
    ),
    "injectfusion inspect ffhq_p2.pt",
    "injectfusion inspect hf:google/ddpm-celebahq-256",
  ).action(async (file: string, flags: HintFlags & { json?: boolean }) => {
    expectModel(file);
    const { source, preset } = presetOf(file);
    const options = { ...(preset && knownOf(preset)), ...hintsOf(flags), signal };
    const report = await inspectCheckpoint(await openSource(source, options), options);
    new Reporter(terminal).result(flags.json ? JSON.stringify(report, null, 2) : describe(report));
    if (report.problems.length > 0) throw new PartialFailure();
  });

const some = (names: readonly string[]) =>
  names.length === 0
    ? "none"
    : names.slice(0, 5).join(", ") + (names.length > 5 ? `, ... (${names.length} in all)` : "");

const headsInWords = (c: UNetConfig): string => {
  const [down, up] = [c.heads ?? 1, (c.family === "adm" && c.headsUp) || undefined];
  if (c.headChannels > 0) return `heads of ${c.headChannels}`;
  return `${down} head${down > 1 ? "s" : ""}${up ? `, ${up} on the way up` : ""}`;
};

const classesInWords = (c: UNetConfig): string =>
  c.classes > 0 ? String(c.classes) : isConditional(c) ? "any number" : "none";

function scheduleInWords({ trainSteps, betas, zeroSnr, spacing, clip }: Schedule): string {
  const range = "start" in betas ? ` ${betas.start} to ${betas.end}` : "";
  const sampling = [`${spacing} steps`, ...(clip > 0 ? [`x0 clamped to ${clip}`] : [])].join(", ");
  return `${betas.kind}${range}, ${trainSteps} steps${zeroSnr ? ", zero SNR at the end" : ""}; sampling: ${sampling}`;
}

/** Settings by the place they were found in. */
function byPlace({ from, config }: Inspection): Map<string, string[]> {
  const places = new Map<string, string[]>();
  for (const [key, place] of Object.entries(from)) {
    const value = (config as unknown as Record<string, unknown> | null)?.[key];
    const shown = value === undefined ? key : `${key} ${typeof value === "object" ? JSON.stringify(value) : value}`;
    places.set(place, [...(places.get(place) ?? []), shown]);
  }
  return places;
}

/** The report as aligned lines for people. */
export function describe(r: Inspection): string {
  const c = r.config;
  const lines: (readonly [string, string])[] = [
    ["file", `${r.file}, ${r.bytes.toLocaleString("en")} bytes`],
    ["container", r.container + (r.wrapper ? ` (${r.wrapper})` : "")],
    ["layout", r.layout ?? "unknown"],
    ["tensors", `${r.tensors}, ${r.parameters.toLocaleString("en")} parameters`],
    [
      "dtypes",
      Object.entries(r.dtypes)
        .map(([dtype, n]) => `${n} ${dtype}`)
        .join(", ") || "none",
    ],
    [
      "largest",
      r.largest
        ? `${r.largest.name} [${r.largest.shape.join(", ")}], ${r.largest.bytes.toLocaleString("en")} bytes`
        : "none",
    ],
  ];
  if (c)
    lines.push(
      [
        "network",
        `${c.family}, ${c.channelMult.map((_, l) => widthOf(c, l)).join(" ")} channels, ${c.resBlocks} res blocks a level`,
      ],
      ["attention", `levels ${c.attention.join(" ") || "none"}, ${headsInWords(c)}`],
      ["images", `${c.inChannels} x ${c.height} x ${c.width}, ${c.outChannels} channels out`],
      ["classes", classesInWords(c)],
    );
  if (r.schedule) lines.push(["schedule", scheduleInWords(r.schedule)], ["predicts", r.schedule.prediction]);
  for (const [place, settings] of byPlace(r)) lines.push(["settings", `${place}: ${settings.join(", ")}`]);
  lines.push(["missing", some(r.missing)], ["unexpected", some(r.unexpected)], ["ignored", some(r.ignored)]);
  if (r.misshaped.length > 0) lines.push(["misshaped", some(r.misshaped)]);
  for (const problem of r.problems) lines.push(["problem", problem]);
  return lines.map(([key, value]) => `${key.padEnd(11)}${value}`).join("\n");
}
