import { UserError } from "../../errors";

export type Container = "safetensors" | "index" | "torch-zip" | "torch-legacy" | "tfjs";

/** Bytes at the start of a file that `sniff` needs. */
export const SNIFF_BYTES = 512;

/** Largest header that is read. It is JSON of about 100 bytes for each tensor, 60 KB for the paper's largest model. The
 *  format allows 100 MB, more memory than the whole loader may use. */
export const MAX_HEADER_BYTES = 32 * 2 ** 20;

const ascii = (head: Uint8Array, from = 0, to = head.length) => String.fromCharCode(...head.subarray(from, to));

/** [pattern of the first text, its kind, advice] */
const texts: readonly (readonly [RegExp, string, string])[] = [
  [
    /^version https:\/\/git-lfs/,
    "a git-LFS pointer, not the file itself",
    "fetch the file with `git lfs pull`, or download it from the hub's resolve/ URL",
  ],
  [
    /^\s*(?:<!--.*?-->\s*)?<(?:!doctype html|html|head|body|meta|title|script)\b/is,
    "a web page (HTML), not a checkpoint",
    "download the file itself: on Hugging Face resolve/ instead of blob/, on Google Drive confirm the virus-scan page",
  ],
  [
    /^\s*<(?:\?xml|Error>).*AccessDenied/s,
    "an XML answer saying AccessDenied, not a checkpoint",
    "the link no longer serves the file; take a mirror",
  ],
  [/^\s*<[?!\w]/, "an XML document, not a checkpoint", "look inside: it may be a server's error message"],
];

const unpack = (what: string) => [what, "unpack it first"] as const;
const picture = ["an image, not a checkpoint", "were the image and the model swapped?"] as const;

/** [first bytes, their kind, advice] */
const magics: readonly (readonly [string, string, string])[] = [
  ["\x1f\x8b", ...unpack("gzip-compressed")],
  ["BZh", ...unpack("bzip2-compressed")],
  ["\xfd7zXZ", ...unpack("xz-compressed")],
  ["\x28\xb5\x2f\xfd", ...unpack("zstd-compressed")],
  ["7z\xbc\xaf", ...unpack("a 7z archive")],
  ["Rar!", ...unpack("a RAR archive")],
  ["\x89PNG", ...picture],
  ["\xff\xd8\xff", ...picture],
  ["GIF8", ...picture],
  ["RIFF", ...picture],
  ["II*\0", ...picture],
  ["MM\0*", ...picture],
  ["\x89HDF", "an HDF5 (Keras) file", "export the PyTorch or safetensors weights"],
  ["GGUF", "a GGUF language model", "this engine needs a DDPM or ADM U-Net"],
  ["\x93NUMPY", "a NumPy array", "this engine needs a PyTorch or safetensors checkpoint"],
  ["%PDF", "a PDF document", "choose the checkpoint"],
  ["\x7fELF", "a program", "choose the checkpoint"],
];

const legacyMagic = [0x8a, 0x0a, 0x6c, 0xfc, 0x9c, 0x46, 0xf9, 0x20, 0x6a, 0xa8, 0x50, 0x19];

/** Does a pickle of protocol 2 or later begin here? */
const isPickle = (head: Uint8Array) => head[0] === 0x80 && head[1]! >= 2 && head[1]! <= 5;

/** Is this the old stream of torch.save, in any pickle protocol? From 4 on it begins with the length of a frame. */
function isLegacy(head: Uint8Array): boolean {
  const at = head[2] === 0x95 ? 11 : 2;
  return isPickle(head) && legacyMagic.every((byte, i) => head[at + i] === byte);
}

/** Is this a pickle of protocol 0 or 1? They begin with an empty container and its memo, or with a mark. */
const isOldPickle = (head: Uint8Array) =>
  (/^[}\])]q/.test(ascii(head, 0, 2)) && head[2] === 0) || /^\(?[dlt]p0\n/.test(ascii(head, 0, 6));

/** Decodes text as browsers and editors save it: UTF-8 or UTF-16 after a byte order mark, or plain. */
function textOf(head: Uint8Array): string {
  const marks = { "utf-8": [0xef, 0xbb, 0xbf], "utf-16le": [0xff, 0xfe], "utf-16be": [0xfe, 0xff] };
  for (const [encoding, mark] of Object.entries(marks))
    if (mark.every((byte, i) => head[i] === byte)) return new TextDecoder(encoding).decode(head);
  return ascii(head, 0, SNIFF_BYTES);
}

/** Is this ONNX: a protobuf with a small version number in field 1, then the name of the producer? */
const isOnnx = (head: Uint8Array) =>
  head[0] === 0x08 &&
  head[1]! >= 1 &&
  head[1]! <= 20 &&
  [0x12, 0x1a, 0x22, 0x32, 0x3a, 0x42].includes(head[2]!) &&
  head[8] !== 0x7b;

/** Recognises the container by its first bytes, never by its extension.
 *  @param head the first `SNIFF_BYTES` of the file
 *  @param size of the whole file in bytes
 *  @throws UserError naming what the file is instead, and what to do */
export function sniff(head: Uint8Array, size: number, file: string): Container {
  const refuse: (what: string, todo: string) => never = (what, todo) => {
    throw new UserError(`${file}: is ${what}; ${todo}`);
  };
  if (size === 0) refuse("empty", "download it again");
  const start = ascii(head, 0, SNIFF_BYTES);
  if (start.startsWith("PK\x03\x04")) return "torch-zip";
  if (start.startsWith("PK\x05\x06")) refuse("an empty zip archive", "download it again");
  if (isLegacy(head)) return "torch-legacy";
  if (start.slice(257, 262) === "ustar")
    refuse("a tar archive (PyTorch before 0.1.10, or a plain tar)", "unpack it, or re-save the model with torch.save");
  const text = textOf(head);
  for (const [pattern, what, todo] of texts) if (pattern.test(text)) refuse(what, todo);
  for (const [magic, what, todo] of magics) if (start.startsWith(magic)) refuse(what, todo);
  if (isOnnx(head))
    refuse(
      "an ONNX model",
      "this engine runs PyTorch or safetensors weights: take the checkpoint it was exported from",
    );
  if (isPickle(head) || isOldPickle(head))
    refuse(
      "a Python pickle that torch.save did not write",
      "re-save the weights with torch.save(model.state_dict(), ...)",
    );
  if (head[8] === 0x7b && size >= 10) {
    const view = new DataView(head.buffer, head.byteOffset, head.byteLength);
    const n = view.getBigUint64(0, true);
    if (n + 8n > BigInt(size) && view.getBigUint64(0, false) + 8n <= BigInt(size))
      refuse("safetensors in big-endian byte order", "re-save it on a little-endian machine");
    if (n + 8n > BigInt(size))
      refuse(`safetensors cut short (header of ${n} bytes, file of ${size})`, "download it again");
    if (n > BigInt(MAX_HEADER_BYTES))
      refuse(
        `safetensors with a header of ${n} bytes (at most ${MAX_HEADER_BYTES} are read)`,
        "re-save it with fewer tensors or less metadata",
      );
    if (n >= 2n) return "safetensors";
  }
  if (/^\s*[{[]/.test(text)) {
    if (/"weight_map"|"total_size"/.test(text)) return "index";
    if (/"format"\s*:\s*"(?:graph|layers)-model"|"modelTopology"|"weightsManifest"/.test(text)) return "tfjs";
    if (/"_class_name"|"_diffusers_version"/.test(text))
      refuse("a diffusers config, not the weights", "choose diffusion_pytorch_model.safetensors or .bin beside it");
    refuse("a JSON document, not a checkpoint", "look inside: it may be a server's error message");
  }
  if (size < 64 || /^[\s\x20-\x7e]{64}/.test(start)) {
    const shown = start.slice(0, 40).replaceAll(/[^\x20-\x7e]/g, ".");
    refuse(`no checkpoint: it starts with "${shown}"`, "download it again, or choose another file");
  }
  return refuse(
    "in no known container (safetensors, torch zip, torch legacy, TF.js model.json)",
    "download it again, or re-save it as safetensors",
  );
}
