import { readFileSync } from "node:fs";
import { describe, expect, test } from "vitest";
import { Cells } from "../demo/cells";
import { about, Estimate } from "../demo/estimate";
import { grown, kept, pinched, shifted, turned } from "../demo/gestures";
import { portOf } from "../demo/serve.mjs";
import { FIRST_PRESET, fromHash, presetSettings, saysSteps, toHash } from "../demo/settings";
import type { Pixels, Square } from "../src/api";
import { squareMatrix } from "../src/inject/placement";
import { PARAMETERS, readPngText } from "../src/platform/png-text";

/** Parts of the demo that need no page. */

describe("results of the grid", () => {
  const pixels = (v: number): Pixels => ({ data: new Uint8Array([v, v, v, 255]), width: 1, height: 1 });
  const pair = (original: string, content: string) => ({ original: { key: original }, content: { key: content } });

  test("stay with their pictures whatever else is chosen", () => {
    const cells = new Cells();
    cells.put(pair("o1", "c2"), pixels(12), "settings");
    cells.put(pair("o1", "c3"), pixels(13), "settings");
    const columns = ["c1", "c2", "c3"].map((content) => cells.of(pair("o1", content))?.data[0]);
    expect(columns).toEqual([undefined, 12, 13]);
  });

  test("are made again only where settings differ or nothing was made", () => {
    const cells = new Cells();
    cells.put(pair("o", "a"), pixels(1), "now");
    cells.put(pair("o", "b"), pixels(2), "before");
    cells.put(pair("o", "c"), pixels(3)); // a prediction
    const pairs = ["a", "b", "c", "d"].map((content) => pair("o", content));
    expect(cells.missing(pairs, "now").map(({ content }) => content.key)).toEqual(["b", "c", "d"]);
    cells.dropUnfinished();
    expect(pairs.map((p) => cells.of(p)?.data[0])).toEqual([1, 2, undefined, undefined]);
  });

  test("are bounded in number, the oldest leaving first", () => {
    const cells = new Cells();
    for (let i = 0; i < 300; i++) cells.put(pair("o", `${i}`), pixels(i % 256), "now");
    expect(cells.of(pair("o", "43"))).toBeUndefined();
    expect(cells.of(pair("o", "44"))).toBeDefined();
  });
});

describe("gestures", () => {
  const square: Square = { x: 100, y: 80, size: 40, degrees: 10 };
  /** Where a point of the square, in shares of its side, falls in the picture. */
  const at = (s: Square, u: number, v: number) => {
    const m = squareMatrix(s, { width: 1, height: 1 });
    return [m[0]! * u + m[4]! * v + m[8]!, m[1]! * u + m[5]! * v + m[9]!];
  };
  const close = (a: readonly number[], b: readonly number[]) => {
    for (const [i, v] of a.entries()) expect(v).toBeCloseTo(b[i]!, 3);
  };

  test("a drag moves, a wheel grows about the pointer, keys turn", () => {
    expect(shifted(square, 3, -4)).toEqual({ x: 103, y: 76, size: 40, degrees: 10 });
    const pointer = at(square, 0.9, 0.2) as [number, number];
    const larger = grown(square, 1.5, pointer);
    expect(larger.size).toBe(60);
    close(at(larger, 0.9, 0.2), pointer);
    expect(turned({ ...square, degrees: 175 }, 10).degrees).toBe(-175);
    expect(turned(square, -10).degrees).toBe(0);
  });

  test("two fingers keep hold of the two points they are on", () => {
    const from = [at(square, 0.1, 0.3), at(square, 0.8, 0.6)] as unknown as [[number, number], [number, number]];
    for (const to of [
      [
        [20, 30],
        [70, 140],
      ],
      [
        [150, 90],
        [90, 40],
      ],
    ] as [[number, number], [number, number]][]) {
      const after = pinched(square, from, to);
      close(at(after, 0.1, 0.3), to[0]);
      close(at(after, 0.8, 0.6), to[1]);
    }
    expect(pinched(square, [from[0], from[0]], from)).toEqual(square);
  });

  test("the square stays in sight", () => {
    expect(kept({ x: -50, y: 900, size: 9000 }, 400, 300)).toEqual({ x: 0, y: 300, size: 800, degrees: 0 });
    expect(kept({ x: 5, y: 5, size: 0.1, degrees: 3 }, 400, 300).size).toBe(8);
  });
});

describe("links", () => {
  const first = presetSettings(FIRST_PRESET);

  test("bring settings, pictures and mask back", () => {
    const settings = { ...presetSettings("quick"), gamma: 0.55, omega: 0.2, solver: "dpm++2m", seed: 9 } as const;
    const all = { settings, mask: [0, 1, 0.2, 0], content: "drawn-7", original: "portrait-03" };
    expect(fromHash(`#${toHash(all)}`)).toEqual(all);
  });

  test.each(["omega=", "gamma=", "steps=", "t_edit=", "omega=x", "omega=%20", "gamma=2", "steps=1.5", "solver=euler"])(
    "keep the preset's value for %s",
    (hash) => expect(fromHash(`#${hash}`).settings).toEqual(first),
  );

  test("say how many steps to take, or do not", () => {
    for (const hash of ["#steps=50", "#gamma=1&inversion=6", "#preset=paper"]) expect(saysSteps(hash)).toBe(true);
    for (const hash of ["", "#gamma=0.3", "#steps=", "#content=steps"]) expect(saysSteps(hash)).toBe(false);
  });
});

test("time left comes from steps seen, without the first of a run", () => {
  const estimate = new Estimate();
  const work = [
    { kind: "invert", steps: 10, pictures: 2 },
    { kind: "generate", steps: 20, pictures: 1 },
  ] as const;
  expect(estimate.seconds(work)).toBeUndefined();
  estimate.begin();
  estimate.step("invert", 2, 9000); // compiled shaders
  expect(estimate.knows("invert")).toBe(false);
  for (let k = 1; k < 5; k++) estimate.step("invert", 2, 9000 + 200 * k);
  expect(estimate.seconds(work)).toBeCloseTo(2 + 2);
  estimate.begin();
  estimate.step("generate", 1, 50_000);
  estimate.step("generate", 1, 50_300);
  expect(estimate.seconds(work)).toBeCloseTo(2 + 6);
  expect([0.2, 3.2, 47, 100].map(about)).toEqual(["1 s", "4 s", "50 s", "2 min"]);
});

test("the server's port: given in either form, or refused in a line", () => {
  expect([portOf([]), portOf(["--port", "9000"]), portOf(["--port=8378"])]).toEqual([8064, 9000, 8378]);
  for (const args of [["--port", "abc"], ["--port=70000"], ["--port", ""], ["--prot", "1"]])
    expect(() => portOf(args)).toThrow();
  expect(() => portOf(["--port", "abc"])).toThrow("--port abc: expected a whole number from 0 to 65535");
});

test("the example of a result was made of the page's first pair, with its first settings", () => {
  const made = JSON.parse(readPngText(readFileSync("demo/example.png"))[PARAMETERS]!);
  expect(made).toMatchObject({ ...presetSettings(FIRST_PRESET), model: "portraits64" });
  const main = readFileSync("demo/main.ts", "utf8");
  expect(main).toContain(
    `original: "${made.original.replace(".png", "")}", content: "${made.contents[0].replace(".png", "")}"`,
  );
});
