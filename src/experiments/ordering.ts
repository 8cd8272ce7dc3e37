/** Which way each of the paper's three figures is better. */
const better = { fid: "lower", gram: "lower", identity: "higher" } as const;
export type Judged = keyof typeof better;

/** One set of results as the test sees it: its figures, and those of its results by name where there are any. */
export interface OrderedSet {
  readonly name: string;
  readonly figures: Partial<Readonly<Record<Judged, number>>>;
  readonly results: ReadonlyMap<string, Partial<Readonly<Record<Judged, number>>>>;
}

/** Whether the sets stand in the order in which they were given, worst first, by one figure. */
export interface Ordering {
  readonly figure: Judged;
  readonly better: "lower" | "higher";
  /** the figure of every set, in the order given */
  readonly values: readonly number[];
  /** every set is better than the one before it */
  readonly holds: boolean;
  /** names, worst first, as the figure has them */
  readonly found: readonly string[];
  /** for each set but the first: in how many of the results that both have it is better than the one before; empty for
   *  figures of whole sets */
  readonly pairs: readonly { readonly better: number; readonly of: number }[];
}

/** Tests the hypothesis that sets of results get better in the order given. Nothing is assumed: what is found is reported,
 *  whichever way it falls. Figures that a set lacks, or that are no numbers, are left out. */
export function testOrdering(sets: readonly OrderedSet[]): Ordering[] {
  const figures = (Object.keys(better) as Judged[]).filter((figure) =>
    sets.every((set) => Number.isFinite(set.figures[figure])),
  );
  return figures.map((figure) => {
    const sign = better[figure] === "higher" ? 1 : -1;
    const values = sets.map((set) => set.figures[figure]!);
    const rises = (before: number, after: number) => sign * after > sign * before;
    const ranked = sets.map(({ name }, i) => ({ name, value: sign * values[i]! })).sort((a, b) => a.value - b.value);
    const pairs = sets.slice(1).map((set, i) => {
      const shared = [...set.results].flatMap(([name, own]) => {
        const before = sets[i]!.results.get(name)?.[figure];
        return before === undefined || own[figure] === undefined ? [] : [rises(before, own[figure])];
      });
      return { better: shared.filter(Boolean).length, of: shared.length };
    });
    return {
      figure,
      better: better[figure],
      values,
      holds: values.slice(1).every((value, i) => rises(values[i]!, value)),
      found: ranked.map(({ name }) => name),
      pairs: pairs.some(({ of }) => of > 0) ? pairs : [],
    };
  });
}

/** One line for each figure. */
export function describeOrdering(orderings: readonly Ordering[], names: readonly string[]): string[] {
  const hypothesis = names.join(" < ");
  return orderings.map(({ figure, better, holds, found, pairs }) => {
    const counts = pairs
      .map(({ better, of }, i) => `${names[i + 1]} over ${names[i]} in ${better} of ${of}`)
      .join(", ");
    const what = holds ? "holds" : `does not hold, found ${found.join(" < ")}`;
    return `${hypothesis} by ${figure} (${better} is better): ${what}${counts ? `; ${counts}` : ""}`;
  });
}
