import { type Expression, type Kind, kindOf, type Lookup, type Name, Parser, show, walk } from "./wgsl-expressions";

// Finds the integer arithmetic of a shader that could wrap: differences of u32, and loops up to a sum. It reads the subset of
// WGSL that shaders/ is written in.

/** A place where u32 arithmetic might wrap. */
export interface Suspect {
  readonly kind: "difference" | "loop";
  /** The expression with single spaces. */
  readonly text: string;
}

/** Every difference of u32 that is not of a form that cannot wrap, and every loop whose bound is a sum or that has none. */
export function suspects(code: string): Suspect[] {
  const found: Suspect[] = [];
  const types = namedTypes(code);
  const functions = new Map<string, Kind>();
  for (const [, name, type] of code.matchAll(/\bfn\s+(\w+)\s*\([^{]*?\)\s*->\s*([^{]+?)\s*\{/g))
    functions.set(name!, kindOf(type!, types));
  const scopes: Map<string, Name>[] = [new Map()];
  const lookup = (name: string): Name | undefined => scopes.findLast((scope) => scope.has(name))?.get(name);
  const declare = (name: string, value: Name) => scopes.at(-1)!.set(name, value);
  const read = (text: string): Expression => {
    const expression = new Parser(text, lookup, functions).expression();
    for (const node of walk(expression))
      if (node.op === "-" && node.args.length === 2 && node.kind === "u32" && !cannotWrap(node, lookup))
        found.push({ kind: "difference", text: show(node) });
    return expression;
  };
  for (const piece of pieces(code)) {
    const text = piece.text.trim();
    const declaration =
      /^(?:@\S+(?:\s*\([^)]*\))?\s+)*(override|const|let|var)(?:<[^>]*>)?\s+(\w+)\s*(?::\s*([^=]+?))?\s*(?:=\s*([\s\S]+))?$/.exec(
        text.replace(/^for\s*\(/, ""),
      );
    if (/^(?:@\w+(?:\([^)]*\))?\s*)*fn\b/.test(text)) {
      scopes.push(new Map());
      for (const [, name, type] of text.matchAll(/(\w+)\s*:\s*([\w<>, ]+?)\s*(?=,|\)\s*(?:->|$))/g))
        declare(name!, { kind: kindOf(type!, types) });
      continue;
    }
    if (declaration) {
      const [, keyword, name, type, value] = declaration;
      const expression = value === undefined ? undefined : read(value);
      const kind = type ? kindOf(type, types) : (expression?.kind ?? "other");
      declare(name!, {
        kind,
        ...(keyword === "let" || keyword === "const" ? { value: expression } : {}),
        ...(keyword === "override" || keyword === "const" ? { size: true } : {}),
      });
    } else if (text.startsWith("loop")) found.push({ kind: "loop", text: "loop" });
    else if (piece.loopBound) {
      const condition = read(text);
      const bound = condition.args[1];
      if (!bound || !/^(<|>)$/.test(condition.op) || isSum(bound, lookup))
        found.push({ kind: "loop", text: show(condition) });
    } else if (!/^(?:alias|enable|diagnostic|struct|break|continue|workgroupBarrier)\b|^$/.test(text)) {
      const statement = text.replace(/^(?:else\s+)?if\b|^return\b|^else\b|\+\+\)?$/g, "").trim();
      const assignment = /^([^=]+?)\s*(?:[-+*/%|&^]|<<|>>)?=(?!=)\s*([\s\S]+)$/.exec(statement);
      for (const part of assignment ? assignment.slice(1) : [statement]) if (part) read(balanced(part));
    }
    if (piece.opens) scopes.push(new Map());
    for (let i = 0; i < piece.closes && scopes.length > 1; i++) scopes.pop();
  }
  return found;
}

/** Aliases, and structures, whose first field stands for all. */
function namedTypes(code: string): Map<string, Kind> {
  const types = new Map<string, Kind>();
  for (const [, name, type] of code.matchAll(/^alias (\w+) = ([^;]+);/gm)) types.set(name!, kindOf(type!, types));
  for (const [, name, type] of code.matchAll(/^struct (\w+) \{[^:]*:\s*([^,}]+)/gm))
    types.set(name!, kindOf(type!, types));
  return types;
}

interface Piece {
  readonly text: string;
  /** The condition of a `for`. */
  readonly loopBound: boolean;
  readonly opens: boolean;
  readonly closes: number;
}

/** Statements and heads of blocks, in order. */
function pieces(code: string): Piece[] {
  const bare = code.replace(/\/\/.*$/gm, "");
  const found: Piece[] = [];
  let [text, part] = ["", 0]; // part of a for's head: 1 its start, 2 its condition, 3 its step
  for (const char of bare) {
    if (char === ";" || char === "{" || char === "}") {
      if (/^\s*for\s*\(/.test(text)) part = 1;
      if (text.trim() || char !== ";")
        found.push({ text, loopBound: part === 2, opens: char === "{", closes: char === "}" ? 1 : 0 });
      part = char === ";" && part > 0 ? part + 1 : 0;
      text = "";
    } else text += char;
  }
  return found;
}

/** Without a bracket that only the rest of a `for` opens. */
function balanced(text: string): string {
  let depth = 0;
  for (let i = 0; i < text.length; i++) {
    if (text[i] === "(") depth++;
    if (text[i] === ")" && --depth < 0) return text.slice(0, i);
  }
  return text;
}

const terms = (e: Expression): Expression[] => (e.op === "+" ? e.args.flatMap(terms) : [e]);

/** max(a, b) - b, whatever else is added; a - min(a, b); and a - 1 of what is never 0. */
function cannotWrap({ args: [left, right] }: Expression, lookup: Lookup): boolean {
  const isCall = (e: Expression, name: string, of: Expression) =>
    e.op === "call" && e.args[0]!.op === name && e.args.slice(1).some((arg) => show(arg) === show(of));
  if (terms(left!).some((term) => isCall(term, "max", right!)) || isCall(right!, "min", left!)) return true;
  return /^1u?$/.test(right!.op) && isPositive(left!, lookup);
}

function isPositive(e: Expression, lookup: Lookup): boolean {
  if (/^\d+u?$/.test(e.op)) return Number.parseInt(e.op, 10) > 0;
  const name = e.args.length === 0 ? lookup(e.op) : undefined;
  if (name) return name.size === true || (name.value !== undefined && isPositive(name.value, lookup));
  if (e.op === "*") return e.args.every((arg) => isPositive(arg, lookup));
  if (e.op === "+") return e.args.some((arg) => isPositive(arg, lookup));
  return e.op === "call" && e.args[0]!.op === "max" && e.args.slice(1).some((arg) => isPositive(arg, lookup));
}

/** Whether a value is, or was given as, a sum that nothing bounds: not min(.., size), and not rounded up to a multiple. */
function isSum(e: Expression, lookup: Lookup): boolean {
  const value = e.args.length === 0 ? lookup(e.op)?.value : undefined;
  if (value) return isSum(value, lookup);
  if (e.op === "+")
    return e.args.some((arg) => ![...walk(arg)].every((part) => part.args.length > 0 || isConstant(part, lookup)));
  if (e.op === "call" && e.args[0]!.op === "min") return e.args.slice(1).every((arg) => isSum(arg, lookup));
  if (e.op === "/") return false; // of whole sizes, rounded up
  return e.op !== "call" && e.op !== "index" && e.args.some((arg) => isSum(arg, lookup));
}

/** A literal, or a constant or size. */
const isConstant = (e: Expression, lookup: Lookup): boolean => /^\d/.test(e.op) || lookup(e.op)?.size === true;
