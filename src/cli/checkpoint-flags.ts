import { type Command, Option } from "commander";
import type { CheckpointOptions } from "../model/checkpoint/checkpoint";
import type { ConfigHints } from "../model/checkpoint/described";
import { integer } from "./values";

/** Flags for what the weights of a checkpoint do not say. */
export interface HintFlags {
  readonly resolution?: number;
  readonly headChannels?: number;
  readonly heads?: number;
  readonly qkvOrder?: "legacy" | "new";
  readonly ema?: boolean;
  readonly label?: number;
}

const whole = integer(1, 65536);

export const withHintFlags = (command: Command): Command =>
  command
    .optionsGroup("Checkpoint (only where the file does not say):")
    .option("--resolution <pixels>", "side of the pictures", whole)
    .option("--head-channels <n>", "width of one attention head of an ADM network (default 64)", whole)
    .option("--heads <n>", "number of attention heads instead of their width", whole)
    .addOption(new Option("--qkv-order <order>", "how an ADM network packs q, k and v").choices(["legacy", "new"]))
    .option("--label <class>", "class of every picture, for class-conditional networks", integer(0, 65535))
    .option("--no-ema", "use the raw weights where the file has a moving average too");

/** Turns the flags that were given into options of the reader. */
export const hintsOf = ({
  resolution,
  headChannels,
  heads,
  qkvOrder,
  ema,
  label,
}: HintFlags): CheckpointOptions & ConfigHints & { label?: number } => ({
  ...(resolution ? { resolution } : {}),
  ...(headChannels ? { headChannels } : {}),
  ...(heads ? { heads } : {}),
  ...(qkvOrder ? { qkvOrder } : {}),
  ...(ema === false ? { ema } : {}),
  ...(label === undefined ? {} : { label }),
});
