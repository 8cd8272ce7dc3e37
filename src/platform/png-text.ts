/** Text metadata of PNG files, by which a picture remembers the parameters that made it.   PNG 1.2 (RFC 2083), 11.3.4 */

/** Key of the text that holds what a picture was made with, as JSON. CLI and demo write it, `grid` and `evaluate` read it. */
export const PARAMETERS = "Parameters";

const SIGNATURE = [0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a];

const crcTable = Uint32Array.from({ length: 256 }, (_, n) => {
  let c = n;
  for (let k = 0; k < 8; k++) c = c & 1 ? 0xedb88320 ^ (c >>> 1) : c >>> 1;
  return c;
});

function crc32(bytes: Uint8Array): number {
  let c = 0xffffffff;
  for (const byte of bytes) c = crcTable[(c ^ byte) & 255]! ^ (c >>> 8);
  return (c ^ 0xffffffff) >>> 0;
}

interface Chunk {
  readonly type: string;
  /** Byte range of the whole chunk, and its data. */
  readonly start: number;
  readonly end: number;
  readonly data: Uint8Array;
}

function* chunksOf(png: Uint8Array): Generator<Chunk> {
  if (SIGNATURE.some((byte, i) => png[i] !== byte)) throw new Error("not a PNG file");
  const view = new DataView(png.buffer, png.byteOffset, png.byteLength);
  for (let start = 8; start + 12 <= png.length; ) {
    const length = view.getUint32(start);
    const end = start + 12 + length;
    if (end > png.length) throw new Error("PNG file ends inside a chunk");
    const type = String.fromCharCode(...png.subarray(start + 4, start + 8));
    yield { type, start, end, data: png.subarray(start + 8, start + 8 + length) };
    start = end;
  }
}

function chunk(type: string, data: Uint8Array): Uint8Array {
  const bytes = new Uint8Array(12 + data.length);
  const view = new DataView(bytes.buffer);
  view.setUint32(0, data.length);
  for (let i = 0; i < 4; i++) bytes[4 + i] = type.charCodeAt(i);
  bytes.set(data, 8);
  view.setUint32(8 + data.length, crc32(bytes.subarray(4, 8 + data.length)));
  return bytes;
}

/** tEXt holds Latin-1; anything else goes into iTXt (uncompressed UTF-8). */
function textChunk(key: string, value: string): Uint8Array {
  if (!/^[ -~]{1,79}$/.test(key)) throw new Error(`"${key}" cannot be the key of a PNG text`);
  const utf8 = new TextEncoder();
  if (/^[\n -~\u00a0-\u00ff]*$/.test(value))
    return chunk(
      "tEXt",
      Uint8Array.from(`${key}\0${value}`, (c) => c.charCodeAt(0)),
    );
  return chunk("iTXt", utf8.encode(`${key}\0\0\0\0\0${value}`));
}

const concat = (parts: readonly Uint8Array[]): Uint8Array<ArrayBuffer> => {
  const all = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) {
    all.set(part, at);
    at += part.length;
  }
  return all;
};

/** The PNG file with these texts added before its image data. */
export function addPngText(png: Uint8Array, text: Readonly<Record<string, string>>): Uint8Array<ArrayBuffer> {
  const at = [...chunksOf(png)].find(({ type }) => type === "IDAT")?.start;
  if (at === undefined) throw new Error("PNG file without image data");
  const texts = Object.entries(text).map(([key, value]) => textChunk(key, value));
  return concat([png.subarray(0, at), ...texts, png.subarray(at)]);
}

/** The texts of a PNG file (tEXt and uncompressed iTXt). */
export const readPngText = (png: Uint8Array): Record<string, string> => textsOf(chunksOf(png));

/** The texts before the image data, from the first bytes of a PNG file: where `addPngText` puts them.
 *  @throws Error where the bytes end before the image data begins */
export function readPngTextAhead(head: Uint8Array): Record<string, string> {
  const ahead: Chunk[] = [];
  const view = new DataView(head.buffer, head.byteOffset, head.byteLength);
  for (let start = 8; ; ) {
    if (start + 8 > head.length) throw new Error("image data begins further back");
    if (String.fromCharCode(...head.subarray(start + 4, start + 8)) === "IDAT") return textsOf(ahead);
    const end = start + 12 + view.getUint32(start);
    const [chunk] = chunksOf(concat([head.subarray(0, 8), head.subarray(start, end)]));
    if (!chunk) throw new Error("image data begins further back");
    ahead.push(chunk);
    start = end;
  }
}

function textsOf(chunks: Iterable<Chunk>): Record<string, string> {
  const text: Record<string, string> = {};
  for (const { type, data } of chunks) {
    if (type !== "tEXt" && type !== "iTXt") continue;
    const zero = data.indexOf(0);
    const key = String.fromCharCode(...data.subarray(0, zero));
    if (type === "tEXt") text[key] = Array.from(data.subarray(zero + 1), (c) => String.fromCharCode(c)).join("");
    else if (data[zero + 1] === 0) {
      const language = data.indexOf(0, zero + 3);
      text[key] = new TextDecoder().decode(data.subarray(data.indexOf(0, language + 1) + 1));
    }
  }
  return text;
}
