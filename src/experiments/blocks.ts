/** Positions from `from` up to, not including, `to`. */
export interface Range {
  readonly from: number;
  readonly to: number;
}

/** A rectangle of a grid. */
export interface Block {
  readonly contents: Range;
  readonly originals: Range;
}

/** How many pictures a grid has on its sides. */
export interface GridSize {
  readonly contents: number;
  readonly originals: number;
}

export const lengthOf = ({ from, to }: Range): number => to - from;
export const pairsIn = ({ contents, originals }: Block): number => lengthOf(contents) * lengthOf(originals);
export const wholeGrid = ({ contents, originals }: GridSize): Block => ({
  contents: { from: 0, to: contents },
  originals: { from: 0, to: originals },
});

/** Sides of the blocks that a grid is worked off in. */
export interface BlockSides {
  readonly contents: number;
  readonly originals: number;
}

/** Chooses the sides of blocks whose inversions fit in memory together. One side of a block passes by in batches, so it
 *  need not be longer than a batch; everything else goes to the other side, since every picture that passes by has to be
 *  inverted once for each row of blocks.
 *  @param kept inversions that fit in memory; two batches are taken to fit always */
export function blockSides({ contents, originals }: GridSize, kept: number, batch: number): BlockSides {
  const most = Math.max(kept, 2 * batch);
  if (contents + originals <= most) return { contents, originals };
  const inverted = (staying: number, passing: number) => staying + passing * Math.ceil(staying / (most - batch));
  return inverted(originals, contents) <= inverted(contents, originals)
    ? { contents: Math.min(batch, contents), originals: Math.min(most - Math.min(batch, contents), originals) }
    : { contents: Math.min(most - Math.min(batch, originals), contents), originals: Math.min(batch, originals) };
}

/** The blocks of a grid one after another, each sharing a side with the one before it: rows run to and fro, along the side
 *  whose blocks are shorter. Nothing is stored, whatever the grid's size. */
export function* blocksOf(within: Block, sides: BlockSides): Generator<Block> {
  const alongContents = sides.contents <= sides.originals;
  const [inner, outer] = alongContents ? (["contents", "originals"] as const) : (["originals", "contents"] as const);
  let forward = true;
  for (const staying of parts(within[outer], sides[outer])) {
    for (const passing of parts(within[inner], sides[inner], forward))
      yield alongContents ? { contents: passing, originals: staying } : { contents: staying, originals: passing };
    forward = !forward;
  }
}

function* parts({ from, to }: Range, size: number, forward = true): Generator<Range> {
  const count = Math.ceil((to - from) / size);
  for (let k = 0; k < count; k++) {
    const start = from + size * (forward ? k : count - 1 - k);
    yield { from: start, to: Math.min(start + size, to) };
  }
}

/** One of `of` parts, from 1. */
export interface Shard {
  readonly index: number;
  readonly of: number;
}

/** The rectangle of a shard: the grid is halved across its longer side again and again, so that shards are nearly square
 *  and nearly alike. It depends on the grid's size and the number of shards alone. */
export function shardBlock(size: GridSize, { index, of }: Shard): Block {
  let block = wholeGrid(size);
  for (let [k, count] = [index - 1, of]; count > 1; ) {
    const side = lengthOf(block.contents) > lengthOf(block.originals) ? "contents" : "originals";
    const { from } = block[side];
    const length = lengthOf(block[side]);
    const cut = Math.min(Math.max(Math.round((length * (count >> 1)) / count), 1), Math.max(length - 1, 0));
    // where the side is too short to be cut in that proportion, the shards follow the cut
    const before = length < 2 ? 1 : Math.min(Math.max(Math.round((count * cut) / length), 1), count - 1);
    const isBefore = k < before;
    block = { ...block, [side]: isBefore ? { from, to: from + cut } : { from: from + cut, to: from + length } };
    [k, count] = isBefore ? [k, before] : [k - before, count - before];
  }
  return block;
}

/** The number of tiles of at most `side` x `side` pictures that cover a grid. */
export const tilesOf = ({ contents, originals }: GridSize, side: number): number =>
  Math.ceil(contents / side) * Math.ceil(originals / side);

/** One of these tiles, from 1: all nearly alike, row by row to and fro, so that each shares pictures with the next. */
export function tile({ contents, originals }: GridSize, side: number, index: number): Block {
  const [columns, rows] = [Math.ceil(contents / side), Math.ceil(originals / side)];
  const row = Math.floor((index - 1) / columns);
  const along = (index - 1) % columns;
  const column = row % 2 === 0 ? along : columns - 1 - along;
  const part = (length: number, k: number, of: number) => shardRange(length, { index: k + 1, of });
  return { contents: part(contents, column, columns), originals: part(originals, row, rows) };
}

/** The positions of a shard in a list of this length, consecutive. */
export const shardRange = (length: number, { index, of }: Shard): Range => ({
  from: Math.floor((length * (index - 1)) / of),
  to: Math.floor((length * index) / of),
});
