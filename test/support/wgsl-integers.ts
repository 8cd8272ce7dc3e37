import { type Expression, type Kind, kindOf, type Lookup, type Name, Parser, show, walk } from "./wgsl-expressions";

// Finds what could lead a shader out of its tensors: u32 arithmetic that may wrap, and addresses that depend on what a tensor
// holds. It reads the subset of WGSL that shaders/ is written in.

export interface Suspect {
  /** A difference of u32 that may wrap; a loop up to a sum, up to a value of a tensor, or without a bound; an index that
   *  depends on a value of a tensor. */
  readonly kind: "difference" | "loop" | "address";
  /** The expression with single spaces. */
  readonly text: string;
}

/** Everything in a shader that is not of a form that cannot leave its tensors. Declarations may follow their uses. */
export function suspects(linked: string): Suspect[] {
  const declarations = /^(?:override|const|@group)\b[^;]*;.*$/gm;
  const code = `${[...linked.matchAll(declarations)].join("\n")}\n${linked.replace(declarations, "")}`;
  // What a call or a later assignment tells of a name is known the next time round.
  const fromTensors = new Set<string>();
  for (;;) {
    const before = fromTensors.size;
    const found = new Check(code, fromTensors).run();
    if (fromTensors.size === before) return found;
  }
}

class Check {
  readonly #found: Suspect[] = [];
  readonly #types: ReadonlyMap<string, Kind>;
  readonly #functions = new Map<string, Kind>();
  readonly #scopes: Map<string, Name>[] = [new Map()];
  #function = "";

  /** @param fromTensors names of variables and parameters, as `function.name` and `function.number`, that hold what was
   *  read from a tensor; more are added */
  constructor(
    readonly code: string,
    readonly fromTensors: Set<string>,
  ) {
    this.#types = namedTypes(code);
    for (const [, name, type] of code.matchAll(/\bfn\s+(\w+)\s*\([^{]*?\)\s*->\s*([^{]+?)\s*\{/g))
      this.#functions.set(name!, kindOf(type!, this.#types));
  }

  run(): Suspect[] {
    for (const piece of pieces(this.code)) {
      const text = piece.text.trim();
      if (/^(?:@\w+(?:\([^)]*\))?\s*)*fn\b/.test(text)) {
        this.#enter(text);
        continue;
      }
      this.#statement(text, piece.loopBound);
      if (piece.opens) this.#scopes.push(new Map());
      if (piece.closes && this.#scopes.length > 1) this.#scopes.pop();
    }
    return this.#found;
  }

  /** The head of a function. */
  #enter(text: string): void {
    this.#function = /\bfn\s+(\w+)/.exec(text)![1]!;
    this.#scopes.push(new Map());
    const parameters = text.slice(text.indexOf("(", text.indexOf(this.#function)));
    let number = 0;
    for (const [, name, type] of parameters.matchAll(/(\w+)\s*:\s*([\w<>, ]+?)\s*(?=,|\)\s*(?:->|$))/g))
      this.#declare(name!, { kind: kindOf(type!, this.#types) }, this.fromTensors.has(`${this.#function}.${number++}`));
  }

  #statement(text: string, isLoopBound: boolean): void {
    const declaration =
      /^(?:@\S+(?:\s*\([^)]*\))?\s+)*(override|const|let|var)(<[^>]*>)?\s+(\w+)\s*(?::\s*([^=]+?))?\s*(?:=\s*([\s\S]+))?$/.exec(
        text.replace(/^for\s*\(/, ""),
      );
    if (declaration) {
      const [, keyword, space, name, type, value] = declaration;
      const expression = value === undefined ? undefined : this.#read(value);
      const named: Name = {
        kind: type ? kindOf(type, this.#types) : (expression?.kind ?? "other"),
        ...((keyword === "let" || keyword === "const") && { value: expression }),
        ...((keyword === "override" || keyword === "const") && { size: true }),
      };
      this.#declare(name!, named, space !== undefined || (expression !== undefined && this.#isFromTensor(expression)));
    } else if (text.startsWith("loop")) this.#found.push({ kind: "loop", text: "loop" });
    else if (isLoopBound) this.#loop(this.#read(text));
    else if (!/^(?:alias|enable|diagnostic|struct|break|continue|workgroupBarrier)\b|^$/.test(text)) {
      const statement = text.replace(/^(?:else\s+)?if\b|^return\b|^else\b|\+\+\)?$/g, "").trim();
      const [, target, value] =
        /^([^=]+?)\s*(?:(?:[-+*/%|&^]|<<|>>)=|(?<![<>!=])=(?!=))\s*([\s\S]+)$/.exec(statement) ?? [];
      const [written, ...read] = [target, value ?? statement].flatMap((part) =>
        part ? [this.#read(balanced(part))] : [],
      );
      if (target && read.some((expression) => this.#isFromTensor(expression))) {
        const root = /\w+/.exec(show(written!))![0];
        this.fromTensors.add(`${this.#function}.${root}`);
      }
      if (text.startsWith("return") && read.some((expression) => this.#isFromTensor(expression)))
        this.fromTensors.add(`${this.#function}.return`);
    }
  }

  #loop(condition: Expression): void {
    const bound = condition.args[1];
    const counts =
      bound && /^[<>]$/.test(condition.op) && !isSum(bound, this.#lookup) && !this.#isFromTensor(condition);
    if (!counts) this.#found.push({ kind: "loop", text: show(condition) });
  }

  #read(text: string): Expression {
    const expression = new Parser(text, this.#lookup, this.#functions).expression();
    for (const node of walk(expression)) {
      const [first, ...others] = node.args;
      if (node.op === "-" && others.length === 1 && node.kind === "u32" && !cannotWrap(node, this.#lookup))
        this.#found.push({ kind: "difference", text: show(node) });
      if (node.op === "index" && this.#isFromTensor(others[0]!))
        this.#found.push({ kind: "address", text: show(node) });
      if (node.op === "call")
        for (const [i, arg] of others.entries()) if (this.#isFromTensor(arg)) this.fromTensors.add(`${first!.op}.${i}`);
    }
    return expression;
  }

  #isFromTensor(e: Expression): boolean {
    if (e.op === "call" && e.args[0]!.op === "arrayLength") return false;
    if (e.op === "call" && e.args[0]!.op === "min") return e.args.slice(1).every((arg) => this.#isFromTensor(arg));
    if (e.op === "call" && this.fromTensors.has(`${e.args[0]!.op}.return`)) return true;
    if (e.args.length > 0) return e.args.some((arg) => this.#isFromTensor(arg));
    return this.#lookup(e.op)?.fromTensor === true;
  }

  readonly #lookup: Lookup = (name) => this.#scopes.findLast((scope) => scope.has(name))?.get(name);

  #declare(name: string, value: Name, fromTensor: boolean): void {
    const known = fromTensor || this.fromTensors.has(`${this.#function}.${name}`);
    this.#scopes.at(-1)!.set(name, { ...value, ...(known && { fromTensor: true }) });
  }
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
  if (e.op === "call" && e.args[0]!.op === "arrayLength") return true; // WebGPU binds one element at least
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
