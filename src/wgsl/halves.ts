/** Lets a shader read and write tensors that are stored as f16. Declarations of these bindings get the narrow type, every load
 *  becomes a conversion to f32, and every store one to f16. All that is in between stays f32, and so does all of a shader
 *  without such bindings. What exceeds 65504 becomes an infinity.
 *
 *      var<storage, read> x: array<vec4f>;   ->   var<storage, read> x: array<vec4h>;
 *      sum += x[i];                          ->   sum += vec4f(x[i]);
 *      y[i][1] = sum;                        ->   y[i][1] = f16(sum);
 *      rows = a[i];                          ->   rows = load_a_(i);         a whole array: one element at a time
 *
 *  Bindings whose elements are no floats, as packed weights, are left alone.
 *  @param halves indices of the bindings that are f16
 *  @param types what the dispatch sets aliases to */
export function inHalves(
  code: string,
  halves: readonly number[],
  types: Readonly<Record<string, unknown>> = {},
): string {
  const bare = code.replace(/[^\S\n]*\/\/(?! (?:unroll|uniform|import)\b).*$/gm, "");
  const aliases = new Map([...bare.matchAll(/^alias (\w+) = ([^;]+);/gm)].map(([, name, type]) => [name!, type!]));
  for (const [name, type] of Object.entries(types)) if (typeof type === "string") aliases.set(name, type);
  const arrays = new Map<string, string>();
  const declared = bare.replace(
    /@binding\((\d+)\) (var<storage, \w+> )(\w+): array<(.+)>;/g,
    (line, binding, kind, name, element) => {
      const type = plainType(element, aliases);
      if (!halves.includes(Number(binding)) || !type) return line;
      arrays.set(name, type);
      return `@binding(${binding}) ${kind}${name}: array<${narrow(type)}>;`;
    },
  );
  if (arrays.size === 0) return code;
  const used = new Set<string>();
  const converted = convert(declared, arrays, used);
  return `enable f16; ${[converted, ...used].join("\n")}`;
}

/** A float, or a vector, matrix or array of floats, without aliases; undefined for all else. */
function plainType(type: string, aliases: ReadonlyMap<string, string>): string | undefined {
  const known = aliases.get(type);
  if (known) return plainType(known, aliases);
  const [, element, count] = ARRAY.exec(type) ?? [];
  if (!element) return /^(f32|vec[234]f|mat[234]x[234]f)$/.test(type) ? type : undefined;
  const plain = plainType(element, aliases);
  return plain && `array<${plain}, ${count}>`;
}

const ARRAY = /^array<(\w+), (.+)>$/;

/** The same type of f16. */
const narrow = (type: string): string =>
  type.replace(/^(array<)?(?:f32|(vec.|mat...)f)/, (_, array = "", of) => `${array}${of ? `${of}h` : "f16"}`);

/** The type of an element or component. */
const partOf = (type: string): string => ARRAY.exec(type)?.[1] ?? (/^mat.x(.)f$/.test(type) ? `vec${type[5]}f` : "f32");

/** Rewrites all loads and stores of these arrays. @param used gains the functions that copy whole arrays */
function convert(text: string, arrays: ReadonlyMap<string, string>, used: Set<string>): string {
  const found = new RegExp(`(?<![\\w.])(${[...arrays.keys()].join("|")})\\[`).exec(text);
  if (!found) return text;
  const within = (part: string) => convert(part, arrays, used);
  const name = found[1]!;
  const open = found.index + name.length;
  let end = closing(text, open);
  const index = within(text.slice(open + 1, end - 1));
  let type = arrays.get(name)!;
  let place = `${name}[${index}]`;
  for (let part = PART.exec(text.slice(end)); part; part = PART.exec(text.slice(end))) {
    const to = part[1] ? end + part[0].length : closing(text, end);
    place += part[1] ? part[0] : `[${within(text.slice(end + 1, to - 1))}]`;
    type = part[1] ? (part[1].length > 1 ? `vec${part[1].length}f` : "f32") : partOf(type);
    end = to;
  }
  const before = text.slice(0, found.index);
  const [store, operator] = /^\s*([-+*/]?)=(?!=)\s*/.exec(text.slice(end)) ?? [];
  const array = ARRAY.exec(type);
  if (store === undefined) {
    const load = array ? copy("load", name, array, used, index) : `${type}(${place})`;
    return before + load + within(text.slice(end));
  }
  const from = end + store.length;
  const to = text.indexOf(";", from);
  const value = within(text.slice(from, to));
  const kept = array
    ? copy("store", name, array, used, `${index}, ${value}`)
    : `${place} = ${narrow(type)}(${operator ? `${type}(${place}) ${operator} (${value})` : value})`;
  return before + kept + within(text.slice(to));
}

const PART = /^(?:\.([xyzwrgba]+)|\[)/;

/** Calls a function that loads or stores a whole array. */
function copy(
  way: "load" | "store",
  name: string,
  [type, element, count]: RegExpExecArray,
  used: Set<string>,
  given: string,
): string {
  const each = (body: string) => `for (var e_ = 0u; e_ < ${count}; e_++) { ${body}; } // unroll`;
  const place = `${name}[i][e_]`;
  used.add(
    way === "load"
      ? `fn load_${name}_(i: u32) -> ${type} {\n  var all: ${type};\n  ${each(`all[e_] = ${element}(${place})`)}\n  return all;\n}`
      : `fn store_${name}_(i: u32, all: ${type}) {\n  ${each(`${place} = ${narrow(element!)}(all[e_])`)}\n}`,
  );
  return `${way}_${name}_(${given})`;
}

/** Where the bracket at `open` is closed: the index behind it. */
function closing(text: string, open: number): number {
  let depth = 0;
  for (let i = open; i < text.length; i++) {
    if (text[i] === "[") depth++;
    else if (text[i] === "]" && --depth === 0) return i + 1;
  }
  return text.length;
}
