import { expect, test } from "vitest";
import { allShaders } from "../src/wgsl/tuner-shaders";

// A function that returns early, under a condition that the adapter learns at run time, takes SwiftShader twice as long to
// compile with every call that an unrolled loop makes: docs/software-adapter.md.

/** Index of the brace that closes the block whose body starts at `start`. */
function end(code: string, start: number): number {
  let depth = 1;
  let at = start;
  while (depth > 0 && at < code.length) {
    if (code[at] === "{") depth++;
    else if (code[at] === "}") depth--;
    at++;
  }
  return at - 1;
}

/** Names of functions that `text` calls. */
const callsIn = (text: string, names: Iterable<string>): string[] =>
  [...names].filter((name) => new RegExp(`\\b${name}\\(`).test(text));

/** Bodies of the loops that are unrolled. */
const unrolled = (code: string): string[] =>
  [...code.matchAll(/for \([^\n]*?\) \{(?= *\/\/ unroll|[^\n]*\} \/\/ unroll)/g)].map((loop) => {
    const start = loop.index + loop[0].length;
    return code.slice(start, end(code, start));
  });

/** Conditions under which a function returns before its end, other than those of constants, which are upper case. */
function earlyReturns(body: string): string[] {
  const found: string[] = [];
  for (const block of body.matchAll(/\b(?:if|while|for|switch) ([^{]*)\{|else \{/g)) {
    const start = block.index + block[0].length;
    const condition = block[1]?.trim() ?? "else";
    const constant = !/[a-z]/.test(condition.replace(/\d+u\b/g, ""));
    if (!constant && /\breturn\b/.test(body.slice(start, end(body, start)))) found.push(condition);
  }
  return found;
}

/** Functions that unrolled loops call, themselves or by others, and that return early. */
function suspects(linked: string): string[] {
  const code = linked.replace(/\/\/(?! unroll).*$/gm, "");
  const bodies = new Map<string, string>();
  for (const head of code.matchAll(/\bfn (\w+)\([^{]*\{/g)) {
    const start = head.index + head[0].length;
    bodies.set(head[1]!, code.slice(start, end(code, start)));
  }
  const called = new Set(unrolled(code).flatMap((body) => callsIn(body, bodies.keys())));
  for (const name of called) for (const other of callsIn(bodies.get(name)!, bodies.keys())) called.add(other);
  return [...called].flatMap((name) => earlyReturns(bodies.get(name)!).map((condition) => `${name}: ${condition}`));
}

test.each(Object.keys(allShaders))("%s: nothing that an unrolled loop calls returns early", (name) => {
  expect(suspects(allShaders[name as keyof typeof allShaders])).toEqual([]);
});

test("early returns are found, under constants they are allowed", () => {
  const code = `const WIDE: u32 = 2u;
fn inner(v: f32) -> f32 {
  if (v > 1.0) { return 0.0; }
  return v;
}
fn outer(v: f32) -> f32 {
  if (WIDE == 1u) { return v; }
  return inner(v);
}
fn unused(v: f32) -> f32 { if (v > 2.0) { return 0.0; } return v; }
fn task(id: u32) {
  if (id > 3u) { return; }
  for (var k = 0u; k < WIDE; k++) { y[k] = outer(x[k]); } // unroll
  y[9] = unused(x[9]);
}`;
  expect(suspects(code)).toEqual(["inner: (v > 1.0)"]);
});
