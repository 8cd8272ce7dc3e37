import sharp from "sharp";
import { expect, test } from "vitest";
import { fitText, textPath, textWidth } from "../src/cli/picture/lettering";
import { drawPlot } from "../src/cli/picture/plot";
import { drawSheet, enlargedSide } from "../src/cli/picture/sheet";
import { aligned } from "../src/cli/table";
import { readPngText } from "../src/platform/png-text";

const grey = { data: Uint8Array.from({ length: 8 * 8 * 4 }, (_, i) => (i % 4 === 3 ? 255 : 90)), width: 8, height: 8 };

test("a sheet holds every picture at its place, the captions and the text metadata", async () => {
  const png = await drawSheet(
    {
      rows: [[{ pixels: grey, caption: "a" }, { caption: "failed" }], [{ pixels: grey }]],
      side: 64,
      title: "t",
      footer: "f",
    },
    { Parameters: "x" },
  );
  expect(readPngText(png)).toEqual({ Parameters: "x" });
  const { data, info } = await sharp(png).raw().toBuffer({ resolveWithObject: true });
  const at = (x: number, y: number) => data[(y * info.width + x) * info.channels];
  expect(info.width).toBe(8 + 2 * (64 + 8));
  expect(at(40, 8 + 22 + 32)).toBe(90); // first picture
  expect(at(112, 8 + 22 + 32)).toBe(0xee); // the empty place of what failed
  expect(at(2, 2)).toBe(255);
});

test("small pictures are enlarged by a whole factor, large ones left alone", () => {
  expect([enlargedSide(64), enlargedSide(100), enlargedSide(256), enlargedSide(300, 128)]).toEqual([
    256, 300, 256, 300,
  ]);
});

test("lettering: no font is asked for; accents fall back to their letter; too long a line is cut", () => {
  expect(textPath("γ 0.3 é 日", 0, 10, { height: 10, colour: "#000" })).not.toMatch(/<text|font/);
  expect(textWidth("é", 10)).toBe(textWidth("e", 10));
  const cut = fitText("a very long file name.png", 10, 100);
  expect(cut).toMatch(/^a very.*\.\.$/);
  expect(textWidth(cut, 10)).toBeLessThanOrEqual(100);
});

test("a plot is well-formed, draws every series, and leaves a gap where a value is missing", async () => {
  const svg = drawPlot({
    title: "a < b & c",
    x: "t",
    y: "r",
    series: [
      {
        name: "one",
        points: [
          [0, 1],
          [1, Number.NaN],
          [2, 3],
          [3, 2],
        ],
      },
      { name: "none", points: [] },
    ],
  });
  expect(svg.match(/stroke-width="2" stroke-linejoin/g)).toHaveLength(2);
  expect(svg).toMatch(/d="M[\d. ]+M[\d. ]+L[\d. ]+"/);
  expect((await sharp(Buffer.from(svg)).metadata()).width).toBe(720);
});

test("tables: numbers to the right, words to the left", () => {
  expect(
    aligned(
      ["name", "n", "x"],
      [
        ["a", 10, 0.5],
        ["long", 2, 12],
      ],
    ),
  ).toEqual(["name   n      x", "a     10  0.500", "long   2     12"]);
});
