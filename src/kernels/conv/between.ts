import type { Dispatch, Tensor } from "../dispatch";
import { f32, grid1d, read, update, write } from "../dispatch";
import { AT_ONCE_BYTES } from "./packing";

// Fewer dispatches on GPUs: what lies between the products of two Winograd convolutions becomes one. docs/kernels.md has the
// reasons and the limits.

/** Tiles that a workgroup transforms at most: with more, a GPU would rather have more workgroups than fewer dispatches. */
const MOST_TILES = 1024;

/** Lanes of a workgroup that does a group, and of one that does a channel where there is no group norm. */
const GROUP_LANES = 256;
const CHANNEL_LANES = 64;

/** Merges dispatches of Winograd convolutions and group norms: the output transform of one convolution, the group norm behind
 *  it and the input transforms of the next, or the last two where x is of another kernel. It reads and writes less than its
 *  parts, and a sample's bits are those of the parts.   shaders/conv/winograd_between.wgsl
 *  @param dispatches in the order in which they run
 *  @param kept names of tensors that are read afterwards
 *  @returns what runs in the place of each dispatch; undefined where it is part of one before it */
export function mergeBetween(
  dispatches: readonly Dispatch[],
  kept: ReadonlySet<string>,
): readonly (Dispatch | undefined)[] {
  const out: (Dispatch | undefined)[] = [...dispatches];
  const writers = new Map<string, number[]>();
  const readers = new Map<string, number[]>();
  dispatches.forEach(({ bindings }, i) => {
    for (const { tensor, access } of bindings)
      for (const map of access === "update" ? [writers, readers] : [access === "write" ? writers : readers])
        map.set(tensor.name, [...(map.get(tensor.name) ?? []), i]);
  });
  const at = (indices: readonly number[]) => indices.map((i) => dispatches[i]!);
  const readersOf = ({ name }: Tensor) => [...new Set(readers.get(name))];
  /** Whether nothing writes a tensor from dispatch `from` to dispatch `to`. */
  const settled = ({ name }: Tensor, from: number, to: number) =>
    !(writers.get(name) ?? []).some((i) => i >= from && i <= to);
  /** Whether a transform does all tiles at once, in a batch of any size. */
  const whole = (d: Dispatch): boolean => {
    const back = d.shader === "conv/winograd_output";
    const product = back ? writers.get(d.bindings[4]!.tensor.name) : readersOf(d.bindings[2]!.tensor);
    const [, tiles, sums] = dispatches[product![0]!]!.bindings.map(({ tensor }) => tensor) as [Tensor, Tensor, Tensor];
    const [positions, k] = tiles.shape as [number, number];
    const columns = number(d, "SAMPLE");
    return (
      4 * positions * Math.max(k, sums.shape[1]!) * columns <= AT_ONCE_BYTES &&
      number(d, "COL_START") === 0 &&
      number(d, "COLS") >= number(d, "N") * columns
    );
  };
  const put = (parts: readonly number[], merged: Dispatch) => {
    for (const i of parts) out[i] = undefined;
    out[parts[0]!] = merged;
  };

  dispatches.forEach((norm, i) => {
    if (norm.shader !== "norm/group") return;
    const [rows, , , , x] = norm.bindings.map(({ tensor }) => tensor) as [Tensor, Tensor, Tensor, Tensor, Tensor];
    const inputs = readersOf(rows);
    if (kept.has(rows.name) || !fitting(norm, at(inputs)) || !at(inputs).every(whole)) return;
    const before = writers.get(x.name)?.at(-1) ?? -1;
    const back = dispatches[before];
    const others = norm.bindings.slice(1).filter(({ tensor }) => tensor !== x);
    const still = others.every(({ tensor }) => settled(tensor, before, inputs.at(-1)!));
    if (back && endsIn(back, norm) && whole(back) && still)
      put([before, i, ...inputs], between(back, at(inputs)[0]!, norm));
    else put([i, ...inputs], between(undefined, at(inputs)[0]!, norm));
  });
  dispatches.forEach((back, i) => {
    if (out[i] !== back || back.shader !== "conv/winograd_output") return;
    const y = back.bindings[0]!.tensor;
    const next = readersOf(y).find((r) => r > i && out[r] === dispatches[r] && alone(dispatches[r]!, y));
    if (next !== undefined && fits(back, dispatches[next]!) && at([i, next]).every(whole))
      put([i, next], between(back, dispatches[next]!));
  });
  return out;
}

const number = ({ constants }: Dispatch, name: string): number => Number(constants[name] ?? 0);

/** Whether these are the input transforms of one convolution, of all channels of a group norm, and few enough. */
function fitting(norm: Dispatch, inputs: readonly Dispatch[]): boolean {
  const [first, second] = inputs;
  const [c1, c2, groups] = ["C1", "C2", "GROUPS"].map((name) => number(norm, name)) as [number, number, number];
  const [, , , film, x, skip] = norm.bindings.map(({ tensor }) => tensor);
  if (first?.shader !== "conv/winograd_input" || inputs.length !== (c2 > 0 ? 2 : 1)) return false;
  if (first.bindings[0]!.tensor !== x || (c2 > 0 && skip === x) || number(first, "C") !== c1) return false;
  if (c2 > 0 && (second!.bindings[0]!.tensor !== skip || number(norm, "FILM") === 1)) return false;
  const samples = x!.shape[0];
  return (
    film !== undefined &&
    inputs.every((d) => number(d, "N") === samples) &&
    number(first, "K") === c1 + c2 &&
    ((c1 + c2) / groups) * number(first, "SAMPLE") <= MOST_TILES
  );
}

/** Whether an output transform makes the x of a group norm. What it adds and what is joined to x are bound for writing, so they
 *  may not be the same. */
const endsIn = (back: Dispatch, norm: Dispatch): boolean =>
  simple(back) &&
  back.bindings[0]!.tensor === norm.bindings[4]!.tensor &&
  (addedBy(back) === undefined || addedBy(back) !== otherOf(norm)) &&
  ((number(norm, "C1") + number(norm, "C2")) / number(norm, "GROUPS")) * number(back, "SAMPLE") <= MOST_TILES;

/** Whether an output transform adds a time embedding or a residual, not both. */
const simple = (back: Dispatch): boolean =>
  back.shader === "conv/winograd_output" && number(back, "TEMB") + number(back, "RESIDUAL") < 2;

/** What an output transform adds: a time embedding or a residual. */
function addedBy(back: Dispatch): Tensor | undefined {
  const [, , temb, residual] = back.bindings.map(({ tensor }) => tensor);
  if (number(back, "RESIDUAL") === 1) return residual;
  return number(back, "TEMB") === 1 ? temb : undefined;
}

/** The skip joined to the x of a group norm, or what scales and shifts it. */
function otherOf(norm: Dispatch): Tensor | undefined {
  const [, , , film, , skip] = norm.bindings.map(({ tensor }) => tensor);
  if (number(norm, "C2") > 0) return skip;
  return number(norm, "FILM") === 1 ? film : undefined;
}

/** Whether a dispatch is the input transform of `y` alone, without group norm. */
const alone = (d: Dispatch, y: Tensor): boolean =>
  d.shader === "conv/winograd_input" &&
  d.bindings[0]!.tensor === y &&
  number(d, "NORM") === 0 &&
  number(d, "C") === number(d, "K") &&
  number(d, "CHANNELS") === number(d, "K");

const fits = (back: Dispatch, next: Dispatch): boolean =>
  simple(back) &&
  number(back, "N") === number(next, "N") &&
  Math.max(number(back, "SAMPLE"), number(next, "SAMPLE")) <= (MOST_TILES * CHANNEL_LANES) / GROUP_LANES;

const chosen = (d: Dispatch, ...names: string[]) => Object.fromEntries(names.map((name) => [name, number(d, name)]));

/** The merged dispatch. @param back the output transform that makes x, where x is not there already */
function between(back: Dispatch | undefined, next: Dispatch, norm?: Dispatch): Dispatch {
  const channels = number(next, "C");
  const groups = norm ? number(norm, "GROUPS") : channels;
  const sizes = norm
    ? chosen(norm, "C1", "C2", "SKIP_N", "GROUPS", "EPS", "FILM", "FILM_N", "FILM_COLUMNS", "FILM_OFFSET")
    : { C1: channels, GROUPS: channels, EPS: 1 };
  const [x, , v] = next.bindings.map(({ tensor }) => tensor) as [Tensor, Tensor, Tensor];
  const [, gamma, beta] = norm?.bindings.map(({ tensor }) => tensor) ?? [];
  const [, bias, , , m] = back?.bindings.map(({ tensor }) => tensor) ?? [];
  const unread = (gamma ?? bias)!; // stands for what is absent and only read
  return {
    label: (back ?? norm)!.label.replace(/\/output$/, "/between"),
    shader: "conv/winograd_between",
    constants: {
      ...chosen(next, "N", "H", "W", "PAD", "TILES_X", "SAMPLE", "COLS", "M", "STRIDE", "NARROW", "UPSAMPLE", "SILU"),
      ...sizes,
      PLANE: number(next, "H") * number(next, "W"),
      NORM: Number(norm !== undefined),
      LANES: norm ? GROUP_LANES : CHANNEL_LANES,
      ...(back
        ? {
            ...chosen(back, "TEMB", "TEMB_N", "TEMB_WIDTH", "TEMB_OFFSET", "RESIDUAL", "RESIDUAL_N"),
            OUT_TILES_X: number(back, "TILES_X"),
            OUT_TILES_Y: number(back, "TILES_Y"),
            OUT_SAMPLE: number(back, "SAMPLE"),
            OUT_COLS: number(back, "COLS"),
            OUT_M: number(back, "M"),
            OUT_STRIDE: number(back, "STRIDE"),
            OUT_NARROW: number(back, "NARROW"),
          }
        : {
            OUT_TILES_X: 0,
            OUT_TILES_Y: 0,
            OUT_SAMPLE: 0,
            OUT_COLS: 0,
            OUT_M: number(next, "M"),
            OUT_STRIDE: 1,
            OUT_NARROW: number(next, "NARROW"),
          }),
    },
    bindings: [
      update(x),
      update((norm && otherOf(norm)) ?? f32("between/other", 1)), // stands for what is absent
      read(gamma ?? unread),
      read(beta ?? unread),
      write(v),
      read(m ?? unread),
      read(bias ?? unread),
      update((back && addedBy(back)) ?? f32("between/added", 1)),
    ],
    workgroups: grid1d(number(next, "N") * groups),
  };
}
