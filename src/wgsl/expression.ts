/** Values of a module's integer and boolean constants. Booleans count as 0 and 1; constants of other kinds are left out.
 *  A constant may use any other, wherever it is declared. */
export function moduleConstants(code: string): Map<string, number> {
  const declared = [...code.matchAll(/^const\s+(\w+)\s*(?::\s*(?:[ui]32|bool))?\s*=\s*([^;]+);/gm)];
  const values = new Map([
    ["false", 0],
    ["true", 1],
  ]);
  for (let known = 0; known < values.size; ) {
    known = values.size;
    for (const [, name, expression] of declared) {
      const value = evaluate(expression!, values);
      if (!Number.isNaN(value)) values.set(name!, value);
    }
  }
  return values;
}

/** Evaluates an integer expression of literals, names, + - * / %, min(a, b), u32(a) and parentheses.
 *  @returns NaN for anything else */
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
    if (token === "u32" && tokens[at] === "(") return atom();
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
