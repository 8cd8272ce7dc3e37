import { readFileSync } from "node:fs";
import { type Command, InvalidArgumentError, Option } from "commander";
import { UserError } from "../errors";
import type { CheckpointOptions } from "../model/checkpoint/checkpoint";
import type { ConfigHints } from "../model/checkpoint/described";
import { parseObject } from "../model/checkpoint/side-files";
import { integer } from "./values";

/** Flags for what the weights of a checkpoint do not say. */
export interface HintFlags extends Omit<ConfigHints, "headsUp"> {
  readonly headsUpsample?: number;
  readonly variant?: string;
  readonly ema?: boolean;
  readonly label?: number;
}

const whole = integer(1, 65536);

/** 64, or WIDTHxHEIGHT. */
function resolution(text: string): ConfigHints["resolution"] {
  const [, width, height] = /^(\d+)x(\d+)$/.exec(text) ?? [];
  return width && height ? { width: whole(width), height: whole(height) } : whole(text);
}

/** A JSON file's object. */
function json(file: string): object {
  try {
    return parseObject(readFileSync(file, "utf8"), file);
  } catch (error) {
    throw new InvalidArgumentError(error instanceof UserError ? error.message : `${file} cannot be read.`);
  }
}

export const withHintFlags = (command: Command): Command =>
  command
    .optionsGroup("Checkpoint (over what its file says):")
    .option("--resolution <pixels>", "side of the pictures, or WIDTHxHEIGHT", resolution)
    .option("--head-channels <n>", "width of one attention head (ADM: 64)", whole)
    .option("--heads <n>", "number of attention heads instead of their width", whole)
    .option("--heads-upsample <n>", "number of attention heads on the way up of an ADM network, if another", whole)
    .addOption(new Option("--qkv-order <order>", "how an ADM network packs q, k and v").choices(["legacy", "new"]))
    .option("--groups <n>", "groups of group norm", whole)
    .addOption(
      new Option(
        "--family <code>",
        "whose arithmetic a file of diffusers' names follows, without its config.json",
      ).choices(["ddpm", "diffusers"]),
    )
    .option("--config <file>", "diffusers' config.json, in place of the one beside the weights", json)
    .option(
      "--schedule <file>",
      "noise schedule and meaning of the output: a scheduler_config.json, or a schedule",
      json,
    )
    .option("--variant <name>", "variant of the weights in a folder, such as fp16")
    .option("--label <class>", "class of every picture, for class-conditional networks", integer(0, 65535))
    .option("--no-ema", "use the raw weights where the file, or folder, has a moving average too");

const names: readonly (keyof HintFlags)[] = [
  "resolution",
  "headChannels",
  "heads",
  "headsUpsample",
  "qkvOrder",
  "groups",
  "family",
  "config",
  "schedule",
  "variant",
  "ema",
  "label",
];

/** The flags of `withHintFlags` that were given, out of all of a command. */
export const givenHints = (flags: HintFlags): HintFlags =>
  Object.fromEntries(names.filter((name) => flags[name] !== undefined).map((name) => [name, flags[name]]));

/** Turns the flags that were given into options of the reader. */
export function hintsOf(flags: HintFlags): CheckpointOptions & ConfigHints & { variant?: string; label?: number } {
  const { headsUpsample: headsUp, ema, ...hints } = givenHints(flags);
  return { ...hints, ...(headsUp !== undefined && { headsUp }), ...(ema === false && { ema }) };
}
