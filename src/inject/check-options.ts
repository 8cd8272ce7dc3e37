import type { RunOptions } from "../api";
import { UserError } from "../errors";

/** Says what was expected where a value is not that. */
export type Check = (value: unknown) => string | undefined;

export const is =
  (expected: string, test: (value: unknown) => boolean): Check =>
  (value) =>
    test(value) ? undefined : expected;

const number = (value: unknown): value is number => typeof value === "number";

export const flag = is("true or false", (v) => typeof v === "boolean");
export const text = is("a string", (v) => typeof v === "string");
export const callback = is("a function", (v) => typeof v === "function");
export const between = (from: number, to: number): Check =>
  is(`${from} to ${to}`, (v) => number(v) && v >= from && v <= to);
export const whole = (from: number, to = Number.MAX_SAFE_INTEGER): Check =>
  is(
    to === Number.MAX_SAFE_INTEGER ? `a whole number from ${from}` : `a whole number from ${from} to ${to}`,
    (v) => Number.isInteger(v) && (v as number) >= from && (v as number) <= to,
  );
export const oneOf = (...names: readonly string[]): Check =>
  is(`one of ${names.join(", ")}`, (v) => typeof v === "string" && names.includes(v));
export const either = (expected: string, ...some: readonly Check[]): Check =>
  is(expected, (v) => some.some((check) => check(v) === undefined));
export const listOf = (what: string, item: Check): Check =>
  is(
    `a list of ${what}`,
    (v) => (Array.isArray(v) || ArrayBuffer.isView(v)) && [...(v as unknown[])].every((i) => item(i) === undefined),
  );
export const object = is("an object", (v) => typeof v === "object" && v !== null);

const signal = is("an AbortSignal", (v) => typeof (v as AbortSignal | null)?.throwIfAborted === "function");

/** Options of everything that runs. */
export const RUN_OPTIONS = {
  signal,
  onStep: callback,
  snapshotEvery: whole(1),
  onSnapshot: callback,
  resume: is("a snapshot", (v) => typeof v === "object" && v !== null && "step" in v && "x" in v && "kept" in v),
  recover: flag,
} satisfies Record<keyof RunOptions, Check>;

/** Checks the names and types of a call's options. @throws UserError in one line for the first that is wrong */
export function checkOptions(call: string, options: unknown, known: Readonly<Record<string, Check>>): void {
  if (typeof options !== "object" || options === null || Array.isArray(options))
    throw new UserError(`${call}: expected an object of options, got ${describe(options)}`);
  for (const [name, value] of Object.entries(options)) {
    const check = Object.hasOwn(known, name) ? known[name] : undefined;
    if (!check) throw new UserError(unknownOption(call, name, Object.keys(known)));
    if (value === undefined) continue;
    const expected = check(value);
    if (expected) throw new UserError(`${name} ${describe(value)}: expected ${expected}`);
  }
}

function unknownOption(call: string, name: string, known: readonly string[]): string {
  const near = known.find((other) => distance(name.toLowerCase(), other.toLowerCase()) <= Math.max(1, name.length / 4));
  return `${call}: there is no option "${name}"; ${near ? `did you mean "${near}"?` : `its options are ${known.join(", ")}`}`;
}

/** Edits that turn one word into the other: Levenshtein's. */
function distance(a: string, b: string): number {
  let row = Array.from({ length: b.length + 1 }, (_, j) => j);
  for (let i = 1; i <= a.length; i++) {
    const next = [i];
    for (let j = 1; j <= b.length; j++)
      next[j] = Math.min(row[j]! + 1, next[j - 1]! + 1, row[j - 1]! + Number(a[i - 1] !== b[j - 1]));
    row = next;
  }
  return row[b.length]!;
}

/** A value in a few words, for errors. */
export function describe(value: unknown): string {
  if (typeof value === "string") return JSON.stringify(value.length > 40 ? `${value.slice(0, 37)}...` : value);
  if (Array.isArray(value)) return `a list of ${value.length}`;
  if (typeof value === "function") return "a function";
  if (typeof value !== "object" || value === null) return String(value);
  const name = value.constructor?.name ?? "object";
  if (ArrayBuffer.isView(value)) return `a ${name} of ${(value as Float32Array).length ?? value.byteLength}`;
  return name === "Object" ? `an object with ${Object.keys(value).join(", ") || "nothing"}` : `a ${name}`;
}
