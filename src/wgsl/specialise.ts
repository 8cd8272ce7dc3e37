import { UserError } from "../errors";
import { evaluate, moduleConstants } from "./expression";

/** Values that a dispatch gives a shader, by name: numbers for `override` and `const` declarations, types for aliases. */
export type Constants = Readonly<Record<string, number | string>>;

/** A shader ready to compile: its text, and the values of its `override` declarations. */
export interface Specialised {
  readonly code: string;
  readonly overrides: Readonly<Record<string, number>>;
}

/** Finds a shader's uniforms, with their defaults: each `override NAME: u32; // uniform`, in order of declaration. */
export function uniformsOf(source: string): ReadonlyMap<string, number | undefined> {
  const found = source.matchAll(/^override\s+(\w+)\s*:\s*u32\s*(?:=\s*(\w+)\s*)?;\s*\/\/ uniform\b/gm);
  return new Map(
    [...found].map(([, name, value]) => [name!, value === undefined ? undefined : Number.parseInt(value, 10)]),
  );
}

/** Sets a shader's constants and unrolls its marked loops. The shader is valid WGSL before and after. docs/kernels.md
 *  explains the rules:
 *
 *  - `override NAME: u32; // uniform` becomes a member of one uniform behind the last binding, in order of declaration, so
 *    that layers of different sizes share a pipeline. Compiling one costs more than running it a hundred times.
 *  - `override NAME` without the mark becomes a pipeline constant.
 *  - `const NAME: TYPE = value;` and `alias NAME = TYPE;` get the new value in the text: only a `const` can size a register
 *    tile.
 *  - `for (var i = A; i < B; i++) { // unroll` is replaced by one block `{ const i = ...; body }` per value of i, so that
 *    arrays indexed by i can live in registers. A and B are expressions of literals and module constants. A loop on one line
 *    has the mark behind it: `for (...) { body } // unroll`.
 *
 *  @throws UserError for a constant that the shader does not declare, or a marked loop that cannot be unrolled */
export function specialise(name: string, source: string, constants: Constants): Specialised {
  const overrides: Record<string, number> = {};
  const uniforms = [...uniformsOf(source).keys()];
  let code = source;
  for (const [key, value] of Object.entries(constants)) {
    if (uniforms.includes(key)) continue;
    if (typeof value === "number" && new RegExp(`\\boverride\\s+${key}\\b`).test(code)) {
      overrides[key] = value;
      continue;
    }
    const declaration =
      typeof value === "number"
        ? new RegExp(`(\\bconst\\s+${key}\\s*:\\s*(u32|i32|f32|bool)\\s*=\\s*)[^;]+;`)
        : new RegExp(`(\\balias\\s+${key}\\s*=\\s*)[^;]+;`);
    const found = declaration.exec(code);
    if (!found) throw new UserError(`shaders/${name}.wgsl declares no constant ${key}`);
    code = code.replace(declaration, `$1${typeof value === "number" ? literal(value, found[2]!) : value};`);
    if (value === "f16") code = `enable f16; ${code}`;
  }
  return { code: bindUniforms(unroll(name, code, moduleConstants(code)), uniforms), overrides };
}

/** Moves the uniforms into a struct. `main` loads each value once, and hands other functions theirs in private variables:
 *  once inlined they cost nothing, where a load costs a software adapter as much as ten multiply-adds. Shaders with barriers,
 *  which are for GPUs, read the struct: WGSL takes no private variable for the same in all lanes. */
function bindUniforms(code: string, uniforms: readonly string[]): string {
  if (uniforms.length === 0) return code;
  const bindings = [...code.matchAll(/@binding\((\d+)\)/g)].map((m) => Number(m[1]));
  const names = new RegExp(`(?<!\\.)\\b(${uniforms.join("|")})\\b`, "g");
  const bare = code.replace(/^override\s+(\w+)\s*:.*$/gm, (line, name) => (uniforms.includes(name) ? "" : line));
  const start = /fn main\([^{]*\{/.exec(bare)!;
  const from = start.index + start[0].length;
  const to = closingBrace(bare, from);
  const read = code.includes("workgroupBarrier") ? "uniforms_.$1" : "uniform_$1";
  const renamed = (part: string) => part.replace(/\/\/.*$/gm, "").replace(names, read);
  const body = bare.slice(from, to);
  const usedIn = (text: string) => uniforms.filter((name) => new RegExp(`\\b${name}\\b`).test(text));
  const head = renamed(bare.slice(0, from));
  const tail = renamed(bare.slice(to));
  const shared = uniforms.filter((name) => new RegExp(`\\buniform_${name}\\b`).test(head + tail));
  const loads = [
    ...usedIn(body.replace(/\/\/.*$/gm, "")).map((name) => `let ${name} = uniforms_.${name};`),
    ...shared.map((name) => `uniform_${name} = uniforms_.${name};`),
  ].join(" ");
  const struct = `struct Uniforms_ { ${uniforms.map((name) => `${name}: u32`).join(", ")} }
@group(0) @binding(${Math.max(...bindings) + 1}) var<uniform> uniforms_: Uniforms_;
${shared.map((name) => `var<private> uniform_${name}: u32;\n`).join("")}`;
  const directives = /^(?:\s*(?:\/\/[^\n]*|enable [^;]*;|diagnostic\([^;]*;)[^\n]*\n)*/.exec(head)![0];
  return `${directives}${struct}${head.slice(directives.length)}\n${loads}${body}${tail}`;
}

function literal(value: number, type: string): string {
  switch (type) {
    case "bool":
      return value ? "true" : "false";
    case "f32":
      return Number.isInteger(value) ? `${value}.0` : `${value}`;
    case "u32":
      return `${value}u`;
    default:
      return `${value}i`;
  }
}

/** The head of a marked loop: the mark is behind the brace that opens its body, or behind a body on the same line. */
const marked =
  /for \(var (\w+) = ([^;]+); \1 < ([^;]+); \1\+\+\) \{(?: *\/\/ unroll\b[^\n]*\n|(?=[^\n]*\} \/\/ unroll\b))/;

function unroll(name: string, code: string, values: ReadonlyMap<string, number>): string {
  const loop = marked.exec(code);
  if (!loop) return code;
  const [head, variable, first, last] = loop as unknown as [string, string, string, string];
  const from = evaluate(first, values);
  const to = evaluate(last, values);
  if (Number.isNaN(from) || Number.isNaN(to))
    throw new UserError(`shaders/${name}.wgsl: "${head.trim()}" has bounds that are not integer constants`);
  const start = loop.index + head.length;
  const end = closingBrace(code, start);
  const body = code.slice(start, end);
  const copies: string[] = [];
  for (let i = from; i < to; i++)
    // Inner loops may be bounded by this variable, so each copy is unrolled with its value.
    copies.push(`{ const ${variable} = ${i}u;\n${unroll(name, body, new Map(values).set(variable, i))}}`);
  return `${code.slice(0, loop.index)}${copies.join("\n")}${unroll(name, code.slice(end + 1), values)}`;
}

/** Index of the brace that closes the block whose body starts at `start`. */
function closingBrace(code: string, start: number): number {
  let depth = 1;
  for (const { 0: mark, index } of code.slice(start).matchAll(/\/\/[^\n]*|[{}]/g)) {
    if (mark === "{") depth++;
    else if (mark === "}") depth--;
    if (depth === 0) return start + index;
  }
  return code.length;
}
