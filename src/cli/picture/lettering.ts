/** Letters as strokes, so that captions look alike on machines without any font. Each glyph is [width, SVG path] in
 *  units with capitals from y = 0 to y = 10, small letters from 3.3 to 10, descenders to 13. */
const bowl = "M2.6 3.2A2.6 3.4 0 1 0 2.6 10A2.6 3.4 0 1 0 2.6 3.2Z";
const glyphs: Readonly<Record<string, readonly [width: number, path: string]>> = {
  A: [7, "M0 10L3.5 0L7 10M1.3 6.6H5.7"],
  B: [6.1, "M0 0V10H3.4A2.7 2.7 0 0 0 3.4 4.7H0M0 0H3A2.35 2.35 0 0 1 3 4.7"],
  C: [7, "M7 2A4 5 0 1 0 7 8"],
  D: [6.5, "M0 0V10H2A4.5 5 0 0 0 2 0Z"],
  E: [5.4, "M5.4 0H0V10H5.4M0 4.8H4.6"],
  F: [5.2, "M5.2 0H0V10M0 4.9H4.4"],
  G: [7.2, "M7 2A4 5 0 1 0 7.2 7.6V5.4H4.4"],
  H: [6.5, "M0 0V10M6.5 0V10M0 4.8H6.5"],
  I: [0, "M0 0V10"],
  J: [4, "M4 0V7A2 2.9 0 0 1 0 7.4"],
  K: [6, "M0 0V10M6 0L0 6.2M2.2 4L6 10"],
  L: [5, "M0 0V10H5"],
  M: [8, "M0 10V0L4 7L8 0V10"],
  N: [6.5, "M0 10V0L6.5 10V0"],
  O: [8, "M4 0A4 5 0 1 0 4 10A4 5 0 1 0 4 0Z"],
  P: [6, "M0 10V0H3.2A2.75 2.75 0 0 1 3.2 5.5H0"],
  Q: [8, "M4 0A4 5 0 1 0 4 10A4 5 0 1 0 4 0ZM4.8 7.2L7.8 10.6"],
  R: [6.2, "M0 10V0H3.2A2.75 2.75 0 0 1 3.2 5.5H0M3.2 5.5L6.2 10"],
  S: [6, "M5.6 1.6C5 .5 4 0 2.9 0C1.3 0 .2 1 .2 2.4C.2 5.8 5.9 4.2 5.9 7.4C5.9 9 4.7 10 3 10C1.6 10 .5 9.4 0 8.2"],
  T: [6.6, "M0 0H6.6M3.3 0V10"],
  U: [6.4, "M0 0V6.8A3.2 3.2 0 0 0 6.4 6.8V0"],
  V: [7, "M0 0L3.5 10L7 0"],
  W: [10, "M0 0L2.5 10L5 1.5L7.5 10L10 0"],
  X: [6.4, "M0 0L6.4 10M6.4 0L0 10"],
  Y: [6.6, "M0 0L3.3 5V10M6.6 0L3.3 5"],
  Z: [6, "M0 0H6L0 10H6"],
  a: [5.2, `${bowl}M5.2 3.3V10`],
  b: [5.2, `${bowl}M0 0V10`],
  c: [4.6, "M4.6 4.4A2.7 3.4 0 1 0 4.6 8.8"],
  d: [5.2, `${bowl}M5.2 0V10`],
  e: [5.2, "M0 6.5H5.2A2.6 3.3 0 1 0 4.6 8.8"],
  f: [3.2, "M3.2 .1C1.8 -.3 1.2 .6 1.2 2V10M0 3.4H3"],
  g: [5.2, `${bowl}M5.2 3.3V10.4A2.5 2.5 0 0 1 .5 11.6`],
  h: [5, "M0 0V10M0 6A2.5 2.8 0 0 1 5 6V10"],
  i: [0, "M0 3.4V10M0 .6V.8"],
  j: [1.4, "M1.4 3.4V11A1.9 1.9 0 0 1 -.4 12.8M1.4 .6V.8"],
  k: [4.8, "M0 0V10M4.6 3.3L0 7.6M1.7 6L4.8 10"],
  l: [0, "M0 0V10"],
  m: [8, "M0 3.4V10M0 5.6A2 2.4 0 0 1 4 5.6V10M4 5.6A2 2.4 0 0 1 8 5.6V10"],
  n: [5, "M0 3.4V10M0 6A2.5 2.8 0 0 1 5 6V10"],
  o: [5.2, bowl],
  p: [5.2, `${bowl}M0 3.3V13`],
  q: [5.2, `${bowl}M5.2 3.3V13`],
  r: [3.2, "M0 3.4V10M0 6.2C0 4.2 1.4 3.1 3.2 3.4"],
  s: [
    4.4,
    "M4.2 4.4C3.8 3.6 3 3.2 2.2 3.2C1 3.2 .2 3.9 .2 4.9C.2 7.2 4.4 6 4.4 8.2C4.4 9.4 3.4 10 2.2 10C1.2 10 .4 9.6 0 8.7",
  ],
  t: [3.2, "M1.2 1.2V8.4A1.6 1.6 0 0 0 3.2 9.9M0 3.4H3"],
  u: [5, "M0 3.4V7.3A2.5 2.7 0 0 0 5 7.3M5 3.4V10"],
  v: [5, "M0 3.4L2.5 10L5 3.4"],
  w: [7.6, "M0 3.4L1.9 10L3.8 4L5.7 10L7.6 3.4"],
  x: [4.8, "M0 3.4L4.8 10M4.8 3.4L0 10"],
  y: [5, "M0 3.4L2.6 9.8M5 3.4L2.4 10.2C1.8 11.8 1.2 12.8 -.2 12.7"],
  z: [4.6, "M0 3.4H4.6L0 10H4.6"],
  0: [5.6, "M2.8 0A2.8 5 0 1 0 2.8 10A2.8 5 0 1 0 2.8 0Z"],
  1: [3, "M.4 2L3 0V10"],
  2: [5.6, "M.2 2.6A2.6 2.6 0 0 1 5.4 2.6C5.4 5 1.4 7 0 10H5.6"],
  3: [5.6, "M.3 1.5A2.5 2.4 0 1 1 2.8 4.6A2.7 2.7 0 1 1 0 8.2"],
  4: [5.6, "M4.2 10V0L0 6.8H5.6"],
  5: [5.6, "M5 0H1L.6 4.4A2.9 2.9 0 1 1 0 8.4"],
  6: [5.6, "M4.6 0C1.6 1.6 0 4.4 0 7A2.8 3 0 0 0 5.6 7A2.8 3 0 0 0 0 7"],
  7: [5.6, "M0 0H5.6L1.8 10"],
  8: [5.6, "M2.8 0A2.4 2.3 0 1 0 2.8 4.6A2.4 2.3 0 1 0 2.8 0ZM2.8 4.6A2.8 2.7 0 1 0 2.8 10A2.8 2.7 0 1 0 2.8 4.6Z"],
  9: [5.6, "M1 10C4 8.4 5.6 5.6 5.6 3A2.8 3 0 0 0 0 3A2.8 3 0 0 0 5.6 3"],
  " ": [2.2, ""],
  ".": [0, "M0 9.7V9.9"],
  ",": [0.6, "M.6 9.7L0 11.8"],
  ":": [0, "M0 4.4V4.6M0 9.6V9.8"],
  ";": [0.6, "M.6 4.4V4.6M.6 9.7L0 11.8"],
  "-": [3.4, "M0 6H3.4"],
  "+": [5, "M0 5.8H5M2.5 3.3V8.3"],
  "=": [5, "M0 4.6H5M0 7.2H5"],
  "/": [4, "M0 11L4 -.6"],
  "\\": [4, "M0 -.6L4 11"],
  "(": [2, "M2 -.8C-.6 3 -.6 8 2 11.6"],
  ")": [2, "M0 -.8C2.6 3 2.6 8 0 11.6"],
  "[": [2, "M2 -.8H0V11.6H2"],
  "]": [2, "M0 -.8H2V11.6H0"],
  _: [5.6, "M0 11.4H5.6"],
  "|": [0, "M0 -1V12"],
  "!": [0, "M0 0V6.8M0 9.7V9.9"],
  "?": [4.6, "M0 2A2.3 2.2 0 1 1 2.4 4.8V6.6M2.4 9.7V9.9"],
  "'": [0, "M0 0V2.4"],
  '"': [2, "M0 0V2.4M2 0V2.4"],
  "<": [4.6, "M4.6 3L0 6L4.6 9"],
  ">": [4.6, "M0 3L4.6 6L0 9"],
  "*": [4, "M2 .6V4.6M.2 1.6L3.8 3.6M3.8 1.6L.2 3.6"],
  "#": [6, "M2 1L1 9.6M5 1L4 9.6M.4 3.6H6M0 7H5.6"],
  "%": [
    7.4,
    "M6.6 0L.8 10M1.7 .2A1.5 2 0 1 0 1.7 4.2A1.5 2 0 1 0 1.7 .2ZM5.7 5.8A1.5 2 0 1 0 5.7 9.8A1.5 2 0 1 0 5.7 5.8Z",
  ],
  "&": [6.4, "M6.4 10L1.4 3A1.8 1.9 0 1 1 4.4 2.4C4 4.2 0 4.8 0 7.4C0 9 1.4 10 2.8 10C5 10 6 8 6.2 5.8"],
  "~": [5, "M0 6.6C1 4.6 2.2 5.4 2.8 6C3.4 6.6 4.4 6.8 5 5"],
  "@": [8, "M5.6 4.2A2 2.6 0 1 0 5.6 7.2M5.6 3.6V7.4C6.6 8.6 8 7.4 8 5A4 5 0 1 0 6.4 9.6"],
  // letters of the method, and the arrow of a sweep
  γ: [5, "M0 3.8C1.6 2.6 2.4 5.4 2.6 9.4M5 3.4L2.2 10.4C1.4 12.6 2.6 13.6 3 11.8C3.2 10.8 2.8 10 2.6 9.4"],
  ω: [7.4, "M1.4 3.4C-.6 5.6 -.2 10 1.9 10C3.4 10 3.7 8.6 3.7 6.4C3.7 8.6 4 10 5.5 10C7.6 10 8 5.6 6 3.4"],
  "→": [8, "M0 6H8M5.4 3.6L8 6L5.4 8.4"],
  "±": [5, "M0 5H5M2.5 2.5V7.5M0 10H5"],
};
const unknown = [5, "M0 0H5V10H0Z"] as const;
const SPACING = 2.3;
const STROKE = 1.15;

const glyph = (letter: string): readonly [number, string] =>
  glyphs[letter] ?? glyphs[letter.normalize("NFD")[0]!] ?? unknown;

/** Width of a line of text, in pixels, when capitals are `height` pixels high. */
export function textWidth(text: string, height: number): number {
  const units = [...text].reduce((sum, letter) => sum + glyph(letter)[0] + SPACING, 0) - SPACING;
  return (Math.max(0, units) + STROKE) * (height / 10);
}

/** The text, cut with ".." where it is wider than `width` pixels. */
export function fitText(text: string, height: number, width: number): string {
  if (textWidth(text, height) <= width) return text;
  let letters = [...text];
  while (letters.length > 0 && textWidth(`${letters.join("")}..`, height) > width) letters = letters.slice(0, -1);
  return `${letters.join("").trimEnd()}..`;
}

export interface TextStyle {
  /** Height of capitals, pixels. */
  readonly height: number;
  readonly colour: string;
  readonly anchor?: "start" | "middle" | "end";
}

/** One line of text as an SVG group of paths; (x, y) is where its baseline starts, or its middle or end. */
export function textPath(text: string, x: number, y: number, { height, colour, anchor = "start" }: TextStyle): string {
  const unit = height / 10;
  const shift = { start: 0, middle: 0.5, end: 1 }[anchor] * textWidth(text, height);
  let at = STROKE / 2;
  const paths = [...text].map((letter) => {
    const [width, path] = glyph(letter);
    const here = path && `<path transform="translate(${at.toFixed(2)} 0)" d="${path}"/>`;
    at += width + SPACING;
    return here;
  });
  const place = `translate(${(x - shift).toFixed(2)} ${(y - height).toFixed(2)}) scale(${unit.toFixed(4)})`;
  return `<g transform="${place}" fill="none" stroke="${colour}" stroke-width="${STROKE}" stroke-linecap="round" stroke-linejoin="round">${paths.join("")}</g>`;
}
