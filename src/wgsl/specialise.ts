import { UserError } from "../errors";

/** A shader ready to compile: its text, and the values of its `override` declarations. */
export interface Specialised {
  readonly code: string;
  readonly overrides: Readonly<Record<string, number>>;
}

/** Names of a shader's shape, with their defaults: each `override NAME: u32` that sizes no workgroup and no array.
 *  A shader with the line `// shape: constant` has none: all its values are compiled in. */
export function shapeOf(source: string): ReadonlyMap<string, number | undefined> {
  const shape = new Map<string, number | undefined>();
  if (/^\/\/ shape: constant\b/m.test(source)) return shape;
  for (const [, name, value] of source.matchAll(/^override\s+(\w+)\s*:\s*u32\s*(?:=\s*(\w+)\s*)?;/gm)) {
    const sizes = new RegExp(`@workgroup_size\\([^)]*\\b${name}\\b|array<[^;]*,[^;>]*\\b${name}\\b[^;>]*>`).test(
      source,
    );
    if (!sizes) shape.set(name!, value === undefined ? undefined : Number.parseInt(value, 10));
  }
  return shape;
}

/** Sets a shader's constants and unrolls its marked loops; the shader is valid WGSL before and after. Three rules, no more:
 *
 *  - A constant declared as `override NAME` becomes a pipeline constant; one declared as `const NAME: TYPE = value;` gets
 *    its value replaced in the text, since only a `const` can size a register tile.
 *  - `for (var i = A; i < B; i++) { // unroll` is replaced by one block `{ const i = ...; body }` per value of i, so that
 *    arrays indexed by i can live in registers. A and B are literals or module constants joined by + - * / % and min.
 *  - The shape (see `shapeOf`) becomes one uniform behind the last binding, in order of declaration, so that layers of
 *    different sizes share a pipeline: compiling one costs more than running it a hundred times.
 *
 *  @throws UserError for a constant the shader does not declare, or a marked loop that cannot be unrolled. */
export function specialise(name: string, source: string, constants: Readonly<Record<string, number>>): Specialised {
  const overrides: Record<string, number> = {};
  const shape = [...shapeOf(source).keys()];
  let code = source;
  for (const [key, value] of Object.entries(constants)) {
    if (shape.includes(key)) continue;
    if (new RegExp(`\\boverride\\s+${key}\\b`).test(code)) {
      overrides[key] = value;
      continue;
    }
    const declaration = new RegExp(`(\\bconst\\s+${key}\\s*:\\s*(u32|i32|f32|bool)\\s*=\\s*)[^;]+;`);
    const found = declaration.exec(code);
    if (!found) throw new UserError(`shaders/${name}.wgsl declares no constant ${key}`);
    code = code.replace(declaration, `$1${literal(value, found[2]!)};`);
  }
  return { code: uniformShape(unroll(name, code, moduleConstants(code)), shape), overrides };
}

/** Moves the shape into a uniform. `main` loads each of its values once; functions read the uniform. */
function uniformShape(code: string, shape: readonly string[]): string {
  if (shape.length === 0) return code;
  const bindings = [...code.matchAll(/@binding\((\d+)\)/g)].map((m) => Number(m[1]));
  const names = new RegExp(`(?<!\\.)\\b(${shape.join("|")})\\b`, "g");
  const bare = code.replace(/^override\s+(\w+)\s*:\s*u32\b.*$/gm, (line, name) => (shape.includes(name) ? "" : line));
  const start = /fn main\([^{]*\{/.exec(bare)!;
  const from = start.index + start[0].length;
  const to = closingBrace(bare, from);
  const renamed = (part: string) => part.replace(/\/\/.*$/gm, "").replace(names, "shape_.$1");
  const used = shape.filter((name) => new RegExp(`\\b${name}\\b`).test(bare.slice(from, to).replace(/\/\/.*$/gm, "")));
  const head = renamed(bare.slice(0, from));
  const lets = used.map((name) => `let ${name} = shape_.${name};`).join(" ");
  const struct = `struct Shape_ { ${shape.map((name) => `${name}: u32`).join(", ")} }
@group(0) @binding(${Math.max(...bindings) + 1}) var<uniform> shape_: Shape_;
`;
  const directives = /^(?:\s*(?:\/\/[^\n]*|enable [^;]*;|diagnostic\([^;]*;)[^\n]*\n)*/.exec(head)![0];
  return `${directives}${struct}${head.slice(directives.length)}\n${lets}${bare.slice(from, to)}${renamed(bare.slice(to))}`;
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

/** Values of the module's integer constants, in order of declaration: a constant may use those before it. */
function moduleConstants(code: string): Map<string, number> {
  const values = new Map<string, number>();
  for (const [, name, expression] of code.matchAll(/^const\s+(\w+)\s*:\s*[ui]32\s*=\s*([^;]+);/gm))
    values.set(name!, evaluate(expression!, values));
  return values;
}

const marked = /for \(var (\w+) = ([^;]+); \1 < ([^;]+); \1\+\+\) \{ *\/\/ unroll\b[^\n]*\n/;

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

/** An integer expression of literals, names, + - * / %, min(a, b) and parentheses; NaN where it is anything else. */
export function evaluate(expression: string, values: ReadonlyMap<string, number>): number {
  const tokens = expression.match(/\d+[ui]?|\w+|\S/g) ?? [];
  let at = 0;
  const atom = (): number => {
    const token = tokens[at++] ?? "";
    if (token === "(") {
      const value = sum();
      return tokens[at++] === ")" ? value : Number.NaN;
    }
    if (token === "min" && tokens[at++] === "(") {
      const left = sum();
      const right = tokens[at++] === "," ? sum() : Number.NaN;
      return tokens[at++] === ")" ? Math.min(left, right) : Number.NaN;
    }
    if (/^\d/.test(token)) return Number.parseInt(token, 10);
    return values.get(token) ?? Number.NaN;
  };
  const product = (): number => {
    let value = atom();
    for (let op = tokens[at]; op === "*" || op === "/" || op === "%"; op = tokens[at]) {
      at++;
      const right = atom();
      value = op === "*" ? value * right : op === "/" ? Math.trunc(value / right) : value % right;
    }
    return value;
  };
  const sum = (): number => {
    let value = product();
    for (let op = tokens[at]; op === "+" || op === "-"; op = tokens[at]) {
      at++;
      const right = product();
      value = op === "+" ? value + right : value - right;
    }
    return value;
  };
  const value = sum();
  return at === tokens.length ? value : Number.NaN;
}
