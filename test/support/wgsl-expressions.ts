// Expressions of the subset of WGSL that shaders/ is written in, with the kind of number each gives.

export type Kind = "u32" | "i32" | "f32" | "bool" | "literal" | "other";

export interface Name {
  readonly kind: Kind;
  /** Of a `let` or `const`. */
  readonly value?: Expression | undefined;
  /** A constant or size: never 0 where a kernel runs. */
  readonly size?: boolean;
  /** A tensor, or a value read from one. */
  readonly fromTensor?: boolean;
}

export interface Expression {
  /** An operator, "call" (its first argument is the function), "index", a name or a literal. */
  readonly op: string;
  readonly args: readonly Expression[];
  readonly kind: Kind;
}

export type Lookup = (name: string) => Name | undefined;

/** The kind of a type's numbers; `named` are those of aliases and structures. */
export function kindOf(type: string, named: ReadonlyMap<string, Kind> = new Map()): Kind {
  for (const [word] of type.matchAll(/\w+/g)) {
    const kind = named.get(word);
    if (kind) return kind;
    if (/^(?:u32|vec[234]u)$/.test(word)) return "u32";
    if (/^(?:i32|vec[234]i)$/.test(word)) return "i32";
    if (word === "bool") return "bool";
  }
  return "f32";
}

const precedence: Readonly<Record<string, number>> = {
  "||": 1,
  "&&": 2,
  "|": 3,
  "^": 4,
  "&": 5,
  "==": 6,
  "!=": 6,
  "<": 7,
  ">": 7,
  "<=": 7,
  ">=": 7,
  "<<": 8,
  ">>": 8,
  "+": 9,
  "-": 9,
  "*": 10,
  "/": 10,
  "%": 10,
};
const comparing = /^(?:\|\||&&|==|!=|<|>|<=|>=)$/;

export class Parser {
  readonly #tokens: readonly string[];
  #at = 0;

  constructor(
    text: string,
    readonly lookup: Lookup,
    readonly functions: ReadonlyMap<string, Kind>,
  ) {
    const generic =
      /(?:array|vec[234]|bitcast|mat\dx\d|subgroupMatrixLoad|subgroupMatrixStore)<(?:[^<>()]|<[^<>()]*>)*>/;
    const number = /0x[\da-f]+u?|(?:\d+\.\d*|\.\d+|\d+)(?:e[-+]?\d+)?[uif]?/i;
    this.#tokens =
      text.match(new RegExp(`${generic.source}|${number.source}|\\w+|\\|\\||&&|==|!=|<=|>=|<<|>>|\\S`, "gi")) ?? [];
  }

  expression(least = 1): Expression {
    let left = this.#unary();
    for (let op = this.#peek(); (precedence[op] ?? 0) >= least; op = this.#peek()) {
      this.#at++;
      const right = this.expression(precedence[op]! + 1);
      left = {
        op,
        args: [left, right],
        kind: comparing.test(op) ? "bool" : op === "<<" || op === ">>" ? left.kind : joint(left.kind, right.kind),
      };
    }
    return left;
  }

  #peek = (): string => this.#tokens[this.#at] ?? "";

  #unary(): Expression {
    const op = this.#peek();
    if (/^[-!~&*]$/.test(op)) {
      this.#at++;
      const value = this.#unary();
      return { op, args: [value], kind: value.kind };
    }
    return this.#postfix();
  }

  #postfix(): Expression {
    let value = this.#atom();
    for (;;) {
      const token = this.#peek();
      if (token === ".") {
        this.#at += 2;
        value = { op: `.${this.#tokens[this.#at - 1]}`, args: [value], kind: value.kind };
      } else if (token === "[") {
        const [index] = this.#list("]");
        value = { op: "index", args: [value, index!], kind: value.kind };
      } else if (token === "(") {
        const args = this.#list(")");
        value = { op: "call", args: [value, ...args], kind: this.#result(value.op, args) };
      } else return value;
    }
  }

  #atom(): Expression {
    const token = this.#tokens[this.#at++] ?? "";
    if (token === "(") {
      this.#at--;
      return this.#list(")")[0] ?? { op: "", args: [], kind: "other" };
    }
    if (/^(?:\d|\.\d)/.test(token)) {
      const kind = token.endsWith("u")
        ? "u32"
        : token.endsWith("i")
          ? "i32"
          : /^(?:\d+|0x[\da-f]+)$/i.test(token)
            ? "literal"
            : "f32";
      return { op: token, args: [], kind };
    }
    return { op: token, args: [], kind: this.lookup(token)?.kind ?? "other" };
  }

  /** From an opening bracket to the closing one. */
  #list(close: string): Expression[] {
    const args: Expression[] = [];
    this.#at++;
    while (this.#peek() !== close && this.#at < this.#tokens.length) {
      args.push(this.expression());
      if (this.#peek() === ",") this.#at++;
      else if (this.#peek() !== close) break;
    }
    this.#at++;
    return args;
  }

  #result(name: string, args: readonly Expression[]): Kind {
    if (this.functions.has(name)) return this.functions.get(name)!;
    if (/^(?:min|max|clamp|select|abs|quad\w+|subgroup(?:Add|Broadcast)\w*)$/.test(name))
      return args.slice(0, 2).reduce<Kind>((kind, arg) => joint(kind, arg.kind), "literal");
    if (/^(?:u32|vec\du|bitcast<(?:u32|vec\du)>|arrayLength|countOneBits|firstTrailingBit|atomic\w+)$/.test(name))
      return "u32";
    return /^(?:i32|vec\di)$/.test(name) ? "i32" : "f32";
  }
}

/** Of a literal without suffix the other operand decides. */
const joint = (a: Kind, b: Kind): Kind => (a === "literal" ? b : a === "other" && b !== "literal" ? b : a);

export function* walk(expression: Expression): Generator<Expression> {
  yield expression;
  for (const arg of expression.args) yield* walk(arg);
}

export function show({ op, args }: Expression): string {
  if (args.length === 0) return op;
  const inner = (arg: Expression) =>
    args.length === 2 &&
    precedence[arg.op] &&
    arg.args.length === 2 &&
    precedence[arg.op]! < (precedence[op] ?? 99) + (arg === args[1] ? 1 : 0)
      ? `(${show(arg)})`
      : show(arg);
  if (op === "call") return `${show(args[0]!)}(${args.slice(1).map(show).join(", ")})`;
  if (op === "index") return `${show(args[0]!)}[${show(args[1]!)}]`;
  if (op.startsWith(".")) return `${show(args[0]!)}${op}`;
  return args.length === 1 ? `${op}${inner(args[0]!)}` : `${inner(args[0]!)} ${op} ${inner(args[1]!)}`;
}
