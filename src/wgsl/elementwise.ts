/** Rewrites whole-array copies from and to storage (`let rows = a[i];` where `a` is an array of arrays, or of an alias of
 *  one) as one copy for each element, marked to be unrolled. Both mean the same in WGSL; which is faster depends on the
 *  compiler. Tint of 2026, in Chromium, copies an array in a loop that no software adapter unrolls. Its predecessor, in Node,
 *  copies it at once, where a copy element by element costs a sixth of a matrix product.
 *  @param code a shader with a statement a line, or a block of one: `if (c) { v = a[i]; } else { v = b[i]; }` */
export function elementwise(code: string): string {
  const aliases = new Map(
    [...code.matchAll(/^alias (\w+) = (array<\w+, [^>]+>);/gm)].map(([, name, type]) => [name!, type!]),
  );
  const arrays = new Map(
    [...code.matchAll(/var<storage, \w+> (\w+): array<(.+)>;/g)].flatMap(([, name, element]) => {
      const [, type, count] = /^array<(\w+), ([^>]+)>$/.exec(aliases.get(element!) ?? element!) ?? [];
      return type && count ? [[name!, { type, count }] as const] : [];
    }),
  );
  let copies = 0;

  /** Rewrites a statement; undefined where it copies no array. */
  function copied(statement: string): string[] | undefined {
    const [, returned] = /^return (.+)$/.exec(statement) ?? [];
    const [, target, value] = /^([^=]+) = ([^=].*)$/.exec(returned ? `let value_ = ${returned}` : statement) ?? [];
    const [to, from] = [elementOf(target), elementOf(value)].map((name) => arrays.get(name));
    const array = to ?? from;
    if (!array) return undefined;
    const id = copies++;
    const [, declared] = /^(?:let|var) (\w+)$/.exec(target!) ?? [];
    return [
      ...(from ? [`let from_${id} = &${value};`] : []),
      ...(to ? [`let to_${id} = &${target};`] : []),
      ...(declared ? [`var ${declared}: array<${array.type}, ${array.count}>;`] : []),
      `for (var e_ = 0u; e_ < ${array.count}; e_++) { // unroll`,
      `  ${to ? `(*to_${id})` : (declared ?? target)}[e_] = ${from ? `(*from_${id})` : value}[e_];`,
      "}",
      ...(returned ? ["return value_;"] : []),
    ];
  }

  return code
    .split("\n")
    .map((line) => {
      const [, indent, text] = /^(\s*)(.*)$/.exec(line)!;
      const lay = (lines: readonly string[], by = "") => lines.map((part) => `${indent}${by}${part}`).join("\n");
      const [, statement] = /^([^{}]+);(?:\s*\/\/.*)?$/.exec(text!) ?? [];
      const whole = statement && copied(statement);
      if (whole) return lay(whole);
      const [, head, first, second, mark = ""] =
        /^((?:if|for) .*\)|fn .+) \{ ([^{}]+); \}(?: else \{ ([^{}]+); \})?(\s*\/\/.*)?$/.exec(text!) ?? [];
      const [one, other] = [first, second].map((inner) => inner && copied(inner));
      if (!one && !other) return line;
      const block = (lines: readonly string[] | "" | undefined, inner: string) => lay(lines || [`${inner};`], "  ");
      const last = second ? [lay(["} else {"]), block(other, second)] : [];
      return [lay([`${head} {${mark}`]), block(one, first!), ...last, lay(["}"])].join("\n");
    })
    .join("\n");
}

/** The name before an expression's only index: `a` of `a[i + b[j]]`, but nothing of `a[i][j]`. */
function elementOf(expression = ""): string {
  const [, name] = /^(\w+)\[/.exec(expression) ?? [];
  if (!name) return "";
  let depth = 0;
  for (let i = name.length; i < expression.length; i++) {
    if (expression[i] === "[") depth++;
    else if (expression[i] === "]" && --depth === 0) return i === expression.length - 1 ? name : "";
  }
  return "";
}
