import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import type { Pixels } from "../src/api";
import {
  type Block,
  blockSides,
  blocksOf,
  type GridSize,
  lengthOf,
  pairsIn,
  shardBlock,
  shardRange,
  tile,
  tilesOf,
  wholeGrid,
} from "../src/experiments/blocks";
import { runGrid } from "../src/experiments/grid";
import { Keeper } from "../src/experiments/keeper";
import type { Model } from "../src/inject/model";
import { resolveParameters } from "../src/inject/parameters";
import { fakeEngine } from "./support/fake-engine";

const size = fc.record({ contents: fc.integer({ min: 1, max: 40 }), originals: fc.integer({ min: 1, max: 40 }) });

/** How often each pair of a grid lies in one of these blocks. */
function cover({ contents, originals }: GridSize, blocks: Iterable<Block>): Set<number> {
  const count = new Uint8Array(contents * originals);
  for (const block of blocks)
    for (let o = block.originals.from; o < block.originals.to; o++)
      for (let c = block.contents.from; c < block.contents.to; c++) count[o * contents + c]!++;
  return new Set(count);
}

/** Inversions that a walk over blocks makes, if only those of one block are kept. */
function inversionsOf(blocks: Iterable<Block>): number {
  let before: Block | undefined;
  let inverted = 0;
  for (const block of blocks) {
    for (const side of ["contents", "originals"] as const)
      if (before?.[side].from !== block[side].from) inverted += lengthOf(block[side]);
    before = block;
  }
  return inverted;
}

test("blocks cover a grid once, fit in memory, and share a side with the one before", () => {
  fc.assert(
    fc.property(size, fc.integer({ min: 0, max: 50 }), fc.integer({ min: 1, max: 9 }), (grid, kept, batch) => {
      const sides = blockSides(grid, kept, batch);
      const blocks = [...blocksOf(wholeGrid(grid), sides)];
      expect(cover(grid, blocks)).toEqual(new Set([1]));
      for (const [k, block] of blocks.entries()) {
        expect(lengthOf(block.contents) + lengthOf(block.originals)).toBeLessThanOrEqual(Math.max(kept, 2 * batch));
        const before = blocks[k - 1];
        if (before)
          expect([before.contents.from, before.originals.from].map((from, i) => from === [block.contents.from, block.originals.from][i])).toContain(true); // biome-ignore format: one line reads better
      }
    }),
  );
});

test("a grid that fits in memory is one block; of a larger one few pictures are inverted twice", () => {
  expect([
    ...blocksOf(wholeGrid({ contents: 30, originals: 20 }), blockSides({ contents: 30, originals: 20 }, 50, 8)),
  ]).toHaveLength(1);
  const grid = { contents: 2000, originals: 2000 };
  const walk = (kept: number) => inversionsOf(blocksOf(wholeGrid(grid), blockSides(grid, kept, 8)));
  // 4 GiB of 8 MiB: 512 pictures; at least 2000 + 2000 / 504 * 2000
  expect(walk(512)).toBeLessThan(10_000);
  const square = inversionsOf(blocksOf(wholeGrid(grid), { contents: 256, originals: 256 }));
  expect(square / walk(512)).toBeGreaterThan(1.6);
});

test("2,000 x 2,000 pictures are planned in constant memory, as are 100 times as many pairs", () => {
  setFlagsFromString("--expose_gc");
  const gc = runInNewContext("gc") as () => void;
  const used = () => {
    gc();
    return process.memoryUsage().heapUsed;
  };
  const grow = (side: number) => {
    const grid = { contents: side, originals: side };
    const walk = blocksOf(wholeGrid(grid), blockSides(grid, 64, 8));
    let pairs = 0;
    let most = 0;
    let blocks = 0;
    const before = used();
    for (const block of walk) {
      pairs += pairsIn(block);
      if (++blocks % 100_000 === 5000) most = Math.max(most, used() - before);
    }
    return { pairs, blocks, most };
  };
  grow(2000);
  const [small, large] = [grow(2000), grow(20_000)];
  expect([small.pairs, large.pairs]).toEqual([4e6, 4e8]);
  expect(large.blocks).toBeGreaterThan(50 * small.blocks);
  expect(small.most).toBeLessThan(2 ** 18);
  expect(large.most).toBeLessThan(2 ** 18);
});

describe("a run of 2,000 x 2,000 pairs", () => {
  const most = { live: 0 };
  const { model } = fakeEngine();
  let live = 0;
  const counted = {
    ...model,
    invert: async (images: readonly Pixels[]) => {
      const made = await model.invert(images as Pixels[]);
      live += images.length;
      most.live = Math.max(most.live, live);
      let gone = false;
      const dispose = () => {
        if (!gone) live -= images.length;
        gone = true;
      };
      return { ...made, dispose };
    },
  } as unknown as Model;

  test.each([0, 64, 512])("keeps within a budget of %i inversions", async (pictures) => {
    [live, most.live] = [0, 0];
    const parameters = resolveParameters({}, "quick");
    const budget = pictures * new Keeper(counted, { invert: { steps: 50 }, batch: 8, budget: 0 }).perPicture;
    const keeper = new Keeper(counted, { invert: { steps: 50 }, batch: 8, budget });
    const pixels: Pixels = { data: new Uint8Array(4), width: 1, height: 1 };
    const picture = (side: string) => (i: number) => ({ key: `${side} ${i}`, read: async () => pixels });
    let pairs = 0;
    await runGrid(
      keeper,
      {
        within: { contents: { from: 0, to: 2000 }, originals: { from: 900, to: 1100 } },
        content: picture("content"),
        original: picture("original"),
        // the corners of each block: enough to need pictures of all of it
        missing: async ({ contents, originals }) =>
          [contents.from, contents.to - 1].map((content) => ({ content, original: originals.from })),
      },
      {
        parameters,
        batch: 8,
        signal: new AbortController().signal,
        onPair: async (_, outcome) => {
          expect(outcome).toHaveProperty("value");
          pairs++;
        },
      },
    );
    expect(pairs).toBeGreaterThan(100);
    expect(most.live).toBeLessThanOrEqual(Math.max(16, pictures));
    expect(keeper.bytes).toBeLessThanOrEqual(budget);
    keeper.dispose();
    expect(live).toBe(0);
  });
});

test("shards cover a grid once, are nearly alike and nearly square", () => {
  fc.assert(
    fc.property(size, fc.integer({ min: 1, max: 40 }), (grid, of) => {
      const shards = Array.from({ length: of }, (_, k) => shardBlock(grid, { index: k + 1, of }));
      expect(cover(grid, shards)).toEqual(new Set([1]));
      if (of <= grid.contents * grid.originals) for (const shard of shards) expect(pairsIn(shard)).toBeGreaterThan(0);
    }),
  );
  for (const of of [2, 3, 7, 16, 23, 100]) {
    const shards = Array.from({ length: of }, (_, k) => shardBlock({ contents: 2000, originals: 1000 }, { index: k + 1, of })); // biome-ignore format: one line reads better
    const pairs = shards.map(pairsIn);
    expect(Math.max(...pairs) / Math.min(...pairs), `${of} shards`).toBeLessThan(1.03);
    for (const { contents, originals } of shards) {
      const ratio = lengthOf(contents) / lengthOf(originals);
      expect(Math.max(ratio, 1 / ratio), `${of} shards`).toBeLessThan(3);
    }
  }
});

test("tiles cover a grid once, are never larger than asked, and follow each other along a side", () => {
  fc.assert(
    fc.property(size, fc.integer({ min: 1, max: 12 }), (grid, side) => {
      const tiles = Array.from({ length: tilesOf(grid, side) }, (_, k) => tile(grid, side, k + 1));
      expect(cover(grid, tiles)).toEqual(new Set([1]));
      for (const [k, { contents, originals }] of tiles.entries()) {
        expect(Math.max(lengthOf(contents), lengthOf(originals))).toBeLessThanOrEqual(side);
        const before = tiles[k - 1];
        if (before)
          expect(contents.from === before.contents.from || originals.from === before.originals.from).toBe(true);
      }
    }),
  );
});

test("shards of a list are consecutive and cover it", () => {
  const ranges = Array.from({ length: 7 }, (_, k) => shardRange(23, { index: k + 1, of: 7 }));
  expect(ranges.map(({ from }) => from)).toEqual([0, ...ranges.slice(0, -1).map(({ to }) => to)]);
  expect(ranges.at(-1)!.to).toBe(23);
  expect(new Set(ranges.map(lengthOf))).toEqual(new Set([3, 4]));
});
