/** Stands in for vitest inside a page: collects tests, runs them in order, tells which failed and why. */
import { JestAsymmetricMatchers, JestChaiExpect, JestExtend } from "@vitest/expect";
import { expect as chaiExpect, use } from "chai";

for (const plugin of [JestExtend, JestChaiExpect, JestAsymmetricMatchers]) use(plugin);
export const expect = chaiExpect;

type Body = (...values: readonly unknown[]) => unknown;
const collected: { readonly name: string; readonly body: () => unknown }[] = [];
const after: (() => unknown)[] = [];
const path: string[] = [];

export const afterAll = (body: () => unknown): number => after.push(body);

export function describe(name: string, body: () => void): void {
  path.push(name);
  body();
  path.pop();
}

export const test = Object.assign(
  (name: string, body: Body): void => {
    collected.push({ name: [...path, name].join(" > "), body });
  },
  {
    each:
      (rows: readonly unknown[]) =>
      (name: string, body: Body): void => {
        for (const row of rows)
          test(`${name}: ${JSON.stringify(row)}`, () => body(...(Array.isArray(row) ? row : [row])));
      },
  },
);

/** Runs what was collected. */
export async function runCollected(): Promise<{ ran: number; failures: string[] }> {
  const failures: string[] = [];
  for (const { name, body } of collected) {
    try {
      await body();
    } catch (error) {
      failures.push(`${name}: ${error instanceof Error ? error.message : String(error)}`);
    }
  }
  for (const body of after) await body();
  return { ran: collected.length, failures };
}
