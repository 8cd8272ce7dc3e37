import { readFileSync } from "node:fs";
import { InvalidArgumentError, Option } from "commander";
import type { InjectParameters } from "../api";
import { METHODS } from "../inject/methods";
import { MIX, type MixRule } from "../kernels/step/step-row";
import { SOLVERS } from "../model/schedule";

/** Parsers of option values. A value that they refuse ends the program with exit status 2 and one line. */

const number = (text: string): number => {
  const value = text.trim() === "" ? Number.NaN : Number(text);
  if (!Number.isFinite(value)) throw new InvalidArgumentError("It is not a number.");
  return value;
};

/** A number in [from, to]. */
export const within = (from: number, to: number) => (text: string) => {
  const value = number(text);
  if (value < from || value > to) throw new InvalidArgumentError(`It must lie between ${from} and ${to}.`);
  return value;
};

/** An integer in [from, to]. */
export const integer = (from: number, to: number) => (text: string) => {
  const value = within(from, to)(text);
  if (!Number.isInteger(value)) throw new InvalidArgumentError("It must be a whole number.");
  return value;
};

const units = { "": 1, K: 2 ** 10, M: 2 ** 20, G: 2 ** 30, T: 2 ** 40 } as const;

/** A number of bytes: 2GiB, 500MiB, 2G, 0. */
export const bytes = (text: string): number => {
  const [, amount, unit = ""] = /^(\d+(?:\.\d+)?) ?(?:([KMGT])?(?:i?B)?)?$/i.exec(text.trim()) ?? [];
  if (amount === undefined) throw new InvalidArgumentError('It must look like "2GiB", "500MiB" or "0".');
  return Math.round(Number(amount) * units[unit.toUpperCase() as keyof typeof units]);
};

/** gamma, in [0, 1]. */
export const gamma = within(0, 1);

/** omega, in [0, 1], or "off". */
export const omega = (text: string): number | "off" => {
  if (text === "off") return "off";
  if (Number.isNaN(Number(text))) throw new InvalidArgumentError('Expected a number from 0 to 1, or "off".');
  return within(0, 1)(text);
};

/** OMEGA=FILE: an omega, and the mask inside which it holds. */
export function omegaRegion(text: string): { omega: number; file: string } {
  const at = text.indexOf("=");
  if (at < 1 || at === text.length - 1) throw new InvalidArgumentError('It must look like "0.2=left.png".');
  return { omega: within(0, 1)(text.slice(0, at)), file: text.slice(at + 1) };
}

/** FILE or FILE:K: directions, and which of them, from 1. */
export function direction(text: string): { file: string; component: number } {
  const [, file, number] = /^(.+?)(?::(\d+))?$/s.exec(text)!;
  const component = Number(number ?? 1);
  if (!(component >= 1)) throw new InvalidArgumentError('It must look like "pca.safetensors:2", counted from 1.');
  return { file: file!, component };
}

/** How far to go along a direction. */
export const scale = within(-100, 100);

export const steps = integer(2, 1000);
export const timeStep = integer(0, 1000);
export const seed = integer(0, 2 ** 32 - 1);

/** A list of numbers: "0.1,0.3,0.5", or "from:to:count" evenly spaced ("0:0.6:7"). */
export const list =
  <T>(item: (text: string) => T) =>
  (text: string): T[] => {
    const parts = text.split(":");
    if (parts.length === 1) return text.split(",").map((part) => item(part.trim()));
    const [from, to, count] = parts.map(number);
    if (parts.length !== 3 || !Number.isInteger(count) || count! < 2 || count! > 1000)
      throw new InvalidArgumentError(
        'It must be a list like "0.1,0.3" or "from:to:count" with a count from 2 to 1000.',
      );
    const spaced = Array.from({ length: count! }, (_, i) => from! + ((to! - from!) * i) / (count! - 1));
    return spaced.map((value) => item(String(Number(value.toPrecision(10)))));
  };

/** The solvers, as a choice. */
export const solverOption = () =>
  new Option("--solver <name>", "ddim, or dpm++2m, which needs fewer steps (docs/methods.md)").choices(SOLVERS);

/** The methods of inversion, as a choice. */
export const methodOption = () =>
  new Option(
    "--method <name>",
    "inversion: ddim, or exactly by bdia or edit-friendly, in as many steps as --steps (docs/methods.md)",
  ).choices(METHODS);

/** The mixing rules, as a choice. */
export const ruleOption = () =>
  new Option(
    "--rule <name>",
    `mixing of h and the content's h: ${Object.keys(MIX).join(", ")}, or a file *.wgsl with a rule of your own`,
  ).argParser(rule);

/** A mixing rule by name, or the text of a WGSL file. */
function rule(text: string): InjectParameters["rule"] {
  if (Object.hasOwn(MIX, text)) return text as MixRule;
  if (!text.endsWith(".wgsl"))
    throw new InvalidArgumentError(`Expected one of ${Object.keys(MIX).join(", ")}, or a file *.wgsl.`);
  try {
    return { wgsl: readFileSync(text, "utf8") };
  } catch (error) {
    throw new InvalidArgumentError(`The file cannot be read (${(error as NodeJS.ErrnoException).code}).`);
  }
}
