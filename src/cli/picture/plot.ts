import { textPath, textWidth } from "./lettering";

/** One line of a plot. Values that are not finite leave a gap. */
export interface Series {
  readonly name: string;
  readonly points: readonly (readonly [x: number, y: number])[];
  readonly dashed?: boolean;
}

export interface Plot {
  readonly title: string;
  readonly x: string;
  readonly y: string;
  readonly series: readonly Series[];
  /** Range of y; default: that of the values. */
  readonly range?: readonly [number, number];
}

const width = 720;
const height = 420;
const box = { left: 70, right: 560, top: 50, bottom: 360 };
/** Okabe & Ito: told apart by colour-blind readers too. */
const colours = ["#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#000000", "#f0e442"];

/** A line plot as SVG text. Its lettering is drawn as strokes, so it looks the same without fonts. */
export function drawPlot({ title, x, y, series, range }: Plot): string {
  const finite = series.flatMap((line) => line.points.filter(([, value]) => Number.isFinite(value)));
  const [x0, x1] = span(finite.map(([value]) => value));
  const [y0, y1] = range ?? span(finite.map(([, value]) => value));
  const px = (value: number) => box.left + ((value - x0) / (x1 - x0)) * (box.right - box.left);
  const py = (value: number) => box.bottom - ((value - y0) / (y1 - y0)) * (box.bottom - box.top);
  const small = { height: 9, colour: "#444" } as const;
  const parts = [
    `<title>${title.replaceAll("&", "&amp;").replaceAll("<", "&lt;")}</title>`,
    `<rect width="${width}" height="${height}" fill="#fff"/>`,
    textPath(title, box.left, 30, { height: 12, colour: "#222" }),
    textPath(x, (box.left + box.right) / 2, height - 18, { ...small, anchor: "middle" }),
    `<g transform="rotate(-90 18 ${(box.top + box.bottom) / 2})">${textPath(y, 18, (box.top + box.bottom) / 2, { ...small, anchor: "middle" })}</g>`,
    ...ticks(x0, x1).map((value) => vertical(px(value), label(value))),
    ...ticks(y0, y1).map((value) => horizontal(py(value), label(value), value === 0)),
    ...series.map((line, k) => path(line, k, px, py)),
    ...series.map((line, k) => legend(line, k)),
  ];
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${height}" width="${width}" height="${height}">\n${parts.join("\n")}\n</svg>\n`;

  function vertical(at: number, text: string): string {
    const line = `<path d="M${at.toFixed(1)} ${box.top}V${box.bottom}" stroke="#eee"/>`;
    return line + textPath(text, at, box.bottom + 18, { ...small, anchor: "middle" });
  }
  function horizontal(at: number, text: string, strong: boolean): string {
    const line = `<path d="M${box.left} ${at.toFixed(1)}H${box.right}" stroke="${strong ? "#999" : "#eee"}"/>`;
    return line + textPath(text, box.left - 8, at + 4, { ...small, anchor: "end" });
  }
}

function path({ points, dashed }: Series, k: number, px: (v: number) => number, py: (v: number) => number): string {
  let pen = "M";
  const d = points.map(([x, y]) => {
    if (!Number.isFinite(y)) {
      pen = "M";
      return "";
    }
    const step = `${pen}${px(x).toFixed(1)} ${py(y).toFixed(1)}`;
    pen = "L";
    return step;
  });
  return `<path d="${d.join("")}" fill="none" stroke="${colours[k % colours.length]}" stroke-width="2" stroke-linejoin="round"${dashed ? ' stroke-dasharray="6 4"' : ""}/>`;
}

function legend({ name, dashed }: Series, k: number): string {
  const y = box.top + 12 + k * 22;
  const line = `<path d="M${box.right + 14} ${y}h24" stroke="${colours[k % colours.length]}" stroke-width="2"${dashed ? ' stroke-dasharray="6 4"' : ""}/>`;
  const room = width - box.right - 50;
  const size = Math.min(9, (9 * room) / textWidth(name, 9));
  return line + textPath(name, box.right + 46, y + 4, { height: size, colour: "#222" });
}

function span(values: readonly number[]): [number, number] {
  if (values.length === 0) return [0, 1];
  const [low, high] = [Math.min(...values), Math.max(...values)];
  return low < high ? [low, high] : [low - 1, high + 1];
}

/** About five round values inside [from, to]. */
function ticks(from: number, to: number): number[] {
  const rough = (to - from) / 5;
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = power * ([1, 2, 5, 10].find((m) => m * power >= rough) ?? 10);
  const first = Math.ceil(from / step - 1e-9);
  const last = Math.floor(to / step + 1e-9);
  return Array.from({ length: last - first + 1 }, (_, i) => Number(((first + i) * step).toPrecision(12)));
}

const label = (value: number): string => String(Number(value.toPrecision(6)));
