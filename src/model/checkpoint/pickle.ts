import { UserError } from "../../errors";
import { call, GlobalRef, keyOf, type Pickled, refuseGlobal, StorageRef, storageOf, Tuple } from "./pickle-values";

/** Thrown where the bytes end inside the pickle. An error of the file only if there are no more of them. */
export class PickleShort extends Error {}

/** Bounds of one pickle: a state dict of the paper's largest model, with its optimizer, needs a tenth of them. Each opcode
 *  takes constant time or reads its own bytes, except REDUCE of an OrderedDict, which copies a list that the pickle
 *  may name again and again: all copies together have at most one item for each byte of the pickle. */
const MAX_STEPS = 2_000_000;
const MAX_CONTAINERS = 200_000;
const MAX_MARKS = 10_000;
const MAX_STRING = 2 ** 20;

const text = new TextDecoder("utf-8", { fatal: true });

/** Bytes as text of one character each. Concatenating a long text character by character would build a tree of it. */
function latin1(bytes: Uint8Array): string {
  let out = "";
  for (let at = 0; at < bytes.length; at += 4096) out += String.fromCharCode(...bytes.subarray(at, at + 4096));
  return out;
}

const isAscii = (bytes: Uint8Array): boolean => {
  for (let i = 0; i < bytes.length; i++) if (bytes[i]! > 127) return false;
  return true;
};

/** Reads one restricted pickle: nothing is imported or evaluated, and globals that are not on the allowlist are refused by
 *  name. Time and memory are linear in the bytes.
 *  @returns the value and the offset just past the pickle
 *  @throws PickleShort when `bytes` ends inside the pickle; UserError for anything else that is not a state dict */
export function unpickle(bytes: Uint8Array, at: number, file: string): { value: Pickled; end: number } {
  return new Unpickler(bytes, at, file).run();
}

class Unpickler {
  #stack: Pickled[] = [];
  #marks: number[] = [];
  #memo: Pickled[] = [];
  #memoized = 0;
  #containers = 0;
  #copied = 0;
  #view: DataView;

  constructor(
    readonly bytes: Uint8Array,
    public at: number,
    readonly file: string,
  ) {
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  }

  #fail(why: string): never {
    throw new UserError(
      `${this.file}: damaged pickle at byte ${this.at} (${why}); download the file again, or re-save it as safetensors`,
    );
  }

  #take(length: number): number {
    const from = this.at;
    if (from + length > this.bytes.length) throw new PickleShort();
    this.at += length;
    return from;
  }

  #u8 = () => this.#view.getUint8(this.#take(1));
  #u32 = () => this.#view.getUint32(this.#take(4), true);

  /** Takes the bytes of a string or an integer. */
  #slice(length: number): Uint8Array {
    if (length > MAX_STRING) this.#fail(`a string of ${length} bytes`);
    const from = this.#take(length);
    return this.bytes.subarray(from, from + length);
  }

  #unicode(length: number): string {
    const slice = this.#slice(length);
    if (length < 64 && isAscii(slice)) return latin1(slice); // three times as fast
    try {
      return text.decode(slice);
    } catch {
      this.#fail("a string is not UTF-8");
    }
  }

  #line(): string {
    const end = this.bytes.indexOf(10, this.at);
    if (end < 0) throw new PickleShort();
    if (end - this.at > 200) this.#fail("a name has more than 200 letters");
    const line = latin1(this.bytes.subarray(this.at, end));
    this.at = end + 1;
    return line;
  }

  #long(length: number): number | bigint {
    if (length > 16) this.#fail(`an integer of ${length} bytes`);
    const slice = this.#slice(length);
    let value = 0n;
    for (let i = length - 1; i >= 0; i--) value = (value << 8n) | BigInt(slice[i]!);
    if (length > 0 && slice[length - 1]! & 0x80) value -= 1n << BigInt(8 * length);
    const number = Number(value);
    return Number.isSafeInteger(number) ? number : value;
  }

  #pop(): Pickled {
    if (this.#stack.length <= (this.#marks.at(-1) ?? 0)) this.#fail("the stack is empty");
    return this.#stack.pop() as Pickled;
  }

  #top(): Pickled {
    if (this.#stack.length <= (this.#marks.at(-1) ?? 0)) this.#fail("the stack is empty");
    return this.#stack.at(-1) as Pickled;
  }

  #popMark(): Pickled[] {
    const mark = this.#marks.pop();
    if (mark === undefined) this.#fail("no mark");
    return this.#stack.splice(mark);
  }

  #push(value: Pickled): void {
    if (typeof value === "object" && value !== null && ++this.#containers > MAX_CONTAINERS)
      this.#fail(`more than ${MAX_CONTAINERS} containers`);
    this.#stack.push(value);
  }

  /** Pops `length` values, in the order they were pushed. */
  #popped(length: number): Pickled[] {
    if (this.#stack.length - length < (this.#marks.at(-1) ?? 0)) this.#fail("the stack is empty");
    return this.#stack.splice(this.#stack.length - length);
  }

  #tuple(length: number): void {
    this.#push(new Tuple(this.#popped(length)));
  }

  #protocol(version: number): void {
    if (version > 5) this.#fail(`protocol ${version}`);
  }

  #mark(): void {
    this.#marks.push(this.#stack.length);
    if (this.#marks.length > MAX_MARKS) this.#fail(`more than ${MAX_MARKS} open marks`);
  }

  #get(index: number): void {
    const value = this.#memo[index];
    if (value === undefined) this.#fail(`memo ${index} was never stored`);
    this.#stack.push(value);
  }

  #put(index: number): void {
    if (index >= this.at) this.#fail(`memo ${index}, but only ${this.at} bytes so far`); // picklers count from 0
    if (this.#memo[index] === undefined) this.#memoized++;
    this.#memo[index] = this.#top();
  }

  #global(module: string, name: string): void {
    refuseGlobal(module, name, this.file);
    this.#push(new GlobalRef(`${module}.${name}`));
  }

  #set(pairs: Pickled[]): void {
    const target = this.#top();
    if (!(target instanceof Map)) this.#fail("items are set on something that is not a dict");
    if (pairs.length % 2) this.#fail("a key without a value");
    for (let i = 0; i < pairs.length; i += 2) target.set(keyOf(pairs[i] as Pickled), pairs[i + 1] as Pickled);
  }

  #append(items: Pickled[]): void {
    const target = this.#top();
    if (!Array.isArray(target)) this.#fail("items are appended to something that is not a list");
    for (const item of items) target.push(item);
  }

  /** BUILD. The only state in a state dict is OrderedDict's `_metadata`, which is dropped. */
  #build(): void {
    this.#pop();
    if (!(this.#top() instanceof Map)) this.#fail("state is set on something that is not a dict");
  }

  #stackGlobal(): void {
    const name = this.#pop();
    const module = this.#pop();
    if (typeof name !== "string" || typeof module !== "string") this.#fail("a global's name is not a string");
    this.#global(module, name);
  }

  #reduce(): void {
    const args = this.#pop();
    const callee = this.#pop();
    if (!(callee instanceof GlobalRef) || !(args instanceof Tuple))
      this.#fail("a call of something that is not a global");
    const [list] = args.items;
    if (Array.isArray(list) && (this.#copied += list.length) > this.bytes.length)
      this.#fail(`its calls copy ${this.#copied} list items, more than it has bytes`);
    this.#push(call(callee.name, args.items, this.file));
  }

  #persistent(): void {
    const id = this.#pop();
    const storage = id instanceof Tuple ? storageOf(id.items) : undefined;
    if (!(storage instanceof StorageRef)) this.#fail("a persistent id that is not a storage");
    this.#push(storage);
  }

  run(): { value: Pickled; end: number } {
    for (let step = 0; step < MAX_STEPS; step++) {
      const opcode = this.#u8();
      if (opcode === 0x2e) {
        const value = this.#pop();
        if (this.#stack.length > 0 || this.#marks.length > 0) this.#fail("values are left on the stack");
        return { value, end: this.at };
      }
      const act = Unpickler.#steps[opcode];
      if (!act) this.#fail(`opcode 0x${opcode.toString(16).padStart(2, "0")}, which no state dict uses`);
      act(this);
    }
    this.#fail(`more than ${MAX_STEPS} steps`);
  }

  /** Actions of the opcodes that occur in state dicts, by byte. */
  static #steps: Readonly<Record<number, (p: Unpickler) => void>> = {
    128: (p) => p.#protocol(p.#u8()), // PROTO
    149: (p) => void p.#take(8), // FRAME: its length only helps readers that buffer
    40: (p) => p.#mark(), // MARK
    48: (p) => void p.#pop(), // POP
    125: (p) => p.#push(new Map()), // EMPTY_DICT
    93: (p) => p.#push([]), // EMPTY_LIST
    41: (p) => p.#push(new Tuple([])), // EMPTY_TUPLE
    133: (p) => p.#tuple(1), // TUPLE1
    134: (p) => p.#tuple(2), // TUPLE2
    135: (p) => p.#tuple(3), // TUPLE3
    116: (p) => p.#push(new Tuple(p.#popMark())), // TUPLE
    108: (p) => p.#push(p.#popMark()), // LIST
    113: (p) => p.#put(p.#u8()), // BINPUT
    114: (p) => p.#put(p.#u32()), // LONG_BINPUT
    148: (p) => p.#put(p.#memoized), // MEMOIZE
    104: (p) => p.#get(p.#u8()), // BINGET
    106: (p) => p.#get(p.#u32()), // LONG_BINGET
    88: (p) => p.#push(p.#unicode(p.#u32())), // BINUNICODE
    140: (p) => p.#push(p.#unicode(p.#u8())), // SHORT_BINUNICODE
    85: (p) => p.#push(latin1(p.#slice(p.#u8()))), // SHORT_BINSTRING, from Python 2
    84: (p) => p.#push(latin1(p.#slice(p.#u32()))), // BINSTRING
    75: (p) => p.#push(p.#u8()), // BININT1
    77: (p) => p.#push(p.#view.getUint16(p.#take(2), true)), // BININT2
    74: (p) => p.#push(p.#view.getInt32(p.#take(4), true)), // BININT
    138: (p) => p.#push(p.#long(p.#u8())), // LONG1
    71: (p) => p.#push(p.#view.getFloat64(p.#take(8), false)), // BINFLOAT
    78: (p) => p.#push(null), // NONE
    136: (p) => p.#push(true), // NEWTRUE
    137: (p) => p.#push(false), // NEWFALSE
    99: (p) => p.#global(p.#line(), p.#line()), // GLOBAL
    147: (p) => p.#stackGlobal(), // STACK_GLOBAL
    82: (p) => p.#reduce(), // REDUCE
    98: (p) => p.#build(), // BUILD
    115: (p) => p.#set(p.#popped(2)), // SETITEM
    117: (p) => p.#set(p.#popMark()), // SETITEMS
    97: (p) => p.#append(p.#popped(1)), // APPEND
    101: (p) => p.#append(p.#popMark()), // APPENDS
    81: (p) => p.#persistent(), // BINPERSID
  };
}
