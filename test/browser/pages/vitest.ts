/** Stands in for vitest inside a page: collects tests, runs them in order, tells which failed and why. */
import { JestAsymmetricMatchers, JestChaiExpect, JestExtend } from "@vitest/expect";
import { expect as chaiExpect, use } from "chai";

for (const plugin of [JestExtend, JestChaiExpect, JestAsymmetricMatchers]) use(plugin);
export const expect = chaiExpect;

type Body = (...values: readonly unknown[]) => unknown;
/** A body, with a time limit behind it or options before it: the page leaves limits to its driver. */
type Given = readonly (Body | object | number)[];
const bodyOf = (given: Given): Body => given.find((value): value is Body => typeof value === "function")!;

const collected: { readonly name: string; readonly body: () => unknown }[] = [];
const hooks = {
  beforeAll: [] as (() => unknown)[],
  afterEach: [] as (() => unknown)[],
  afterAll: [] as (() => unknown)[],
};
const path: string[] = [];

export const beforeAll = (body: () => unknown): number => hooks.beforeAll.push(body);
export const afterEach = (body: () => unknown): number => hooks.afterEach.push(body);
export const afterAll = (body: () => unknown): number => hooks.afterAll.push(body);

export function describe(name: string, body: () => void): void {
  path.push(name);
  body();
  path.pop();
}

export const test = Object.assign(
  (name: string, ...given: Given): void => {
    collected.push({ name: [...path, name].join(" > "), body: bodyOf(given) });
  },
  {
    each:
      (rows: readonly unknown[]) =>
      (name: string, ...given: Given): void => {
        for (const row of rows)
          test(`${name}: ${JSON.stringify(row)}`, () => bodyOf(given)(...(Array.isArray(row) ? row : [row])));
      },
  },
);

/** What has run so far, for whoever waits. */
export interface Ran {
  readonly ran: number;
  readonly of: number;
  readonly failures: readonly string[];
  readonly done: boolean;
}

/** Runs what was collected. @param tell told after every test */
export async function runCollected(tell: (ran: Ran) => void): Promise<void> {
  const failures: string[] = [];
  const attempt = async (name: string, body: () => unknown) => {
    try {
      await body();
    } catch (error) {
      failures.push(`${name}: ${error instanceof Error ? error.message : String(error)}`);
    }
  };
  const all = async (kind: keyof typeof hooks) => {
    for (const body of hooks[kind]) await attempt(kind, body);
  };
  let ran = 0;
  const report = (done: boolean) => tell({ ran, of: collected.length, failures: [...failures], done });
  await all("beforeAll");
  for (const { name, body } of collected) {
    await attempt(name, body);
    await all("afterEach");
    ran++;
    report(false);
  }
  await all("afterAll");
  report(true);
}
