import { Command } from "commander";
import { type Inspection, inspectCheckpoint } from "../model/checkpoint/inspect";
import { openSource } from "../model/checkpoint/source-node";
import { expectModel } from "../platform/node";
import { type HintFlags, hintsOf, withHintFlags } from "./checkpoint-flags";
import { type Context, withExamples } from "./context";
import { PartialFailure } from "./failure";
import { Talk } from "./talk";

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
    const source = await openSource(file, { signal });
    const report = await inspectCheckpoint(source, { ...hintsOf(flags), signal });
    new Talk(terminal).result(flags.json ? JSON.stringify(report, null, 2) : describe(report));
    if (report.problems.length > 0) throw new PartialFailure();
  });

const some = (names: readonly string[]) =>
  names.length === 0
    ? "none"
    : names.slice(0, 5).join(", ") + (names.length > 5 ? `, ... (${names.length} in all)` : "");

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
        `${c.family}, ${c.channels} channels x ${c.channelMult.join(" ")}, ${c.resBlocks} res blocks a level`,
      ],
      [
        "attention",
        `levels ${c.attention.join(" ") || "none"}, ${c.headChannels ? `heads of ${c.headChannels}` : `${c.heads ?? 1} head${(c.heads ?? 1) > 1 ? "s" : ""}`}`,
      ],
      ["images", `${c.inChannels} x ${c.height} x ${c.width}, ${c.outChannels} channels out`],
    );
  lines.push(["missing", some(r.missing)], ["unexpected", some(r.unexpected)], ["ignored", some(r.ignored)]);
  if (r.misshaped.length > 0) lines.push(["misshaped", some(r.misshaped)]);
  for (const problem of r.problems) lines.push(["problem", problem]);
  return lines.map(([key, value]) => `${key.padEnd(11)}${value}`).join("\n");
}
