import { UserError } from "../../errors";

/** Bounds on a JSON text from a stranger. */
export interface JsonLimits {
  /** Open objects and arrays at any one time. */
  readonly depth: number;
  /** Members, elements and containers in total. */
  readonly values: number;
}

const QUOTE = 0x22;
const BACKSLASH = 0x5c;

/** Checks a JSON text in one pass over its bytes, without parsing it: `JSON.parse` may use 50 times the memory of its
 *  text, and takes 20 s over 30 MB of nested arrays.
 *  @returns the number of members of the outermost object, a repeated name counted each time. `JSON.parse` silently
 *  keeps the last of them.
 *  @throws UserError when a limit is exceeded. Malformed text is left to `JSON.parse`. */
export function checkJson(bytes: Uint8Array, limits: JsonLimits, file: string): number {
  let depth = 0;
  let values = 0;
  let members = 0;
  for (let at = 0; at < bytes.length; at++) {
    switch (bytes[at]) {
      case QUOTE:
        at = stringEnd(bytes, at + 1);
        break;
      case 0x5b: // [
      case 0x7b: // {
        values++;
        if (++depth > limits.depth)
          throw new UserError(`${file}: its JSON is nested more than ${limits.depth} deep; damaged, download it again`);
        break;
      case 0x5d: // ]
      case 0x7d: // }
        depth--;
        break;
      case 0x3a: // :
        if (depth === 1) members++;
        values++;
        break;
      case 0x2c: // ,
        values++;
        break;
      default:
        continue;
    }
    if (values > limits.values)
      throw new UserError(`${file}: its JSON has more than ${limits.values} values; damaged, download it again`);
  }
  return members;
}

/** Offset of the quote that closes the string whose first character is at `from`, or the end of the text. */
function stringEnd(bytes: Uint8Array, from: number): number {
  let at = from;
  while (at < bytes.length && bytes[at] !== QUOTE) at += bytes[at] === BACKSLASH ? 2 : 1;
  return at;
}
