import type { Pixels, Square } from "../src/browser";

/** The 2D context of a canvas; every browser with WebGPU has one. */
export function context2d(canvas: HTMLCanvasElement): CanvasRenderingContext2D {
  const context = canvas.getContext("2d");
  if (!context) throw new Error("this browser gave no 2D canvas");
  return context;
}

/** Shows a picture on a canvas, one canvas pixel for each of its own. */
export function show(canvas: HTMLCanvasElement, { data, width, height }: Pixels): void {
  canvas.width = width;
  canvas.height = height;
  context2d(canvas).putImageData(new ImageData(new Uint8ClampedArray(data), width, height), 0, 0);
}

/** A picture on a canvas of its own. */
export function canvasOf(pixels: Pixels): HTMLCanvasElement {
  const canvas = document.createElement("canvas");
  show(canvas, pixels);
  return canvas;
}

/** Copies a canvas onto another, at side x side where that is given. */
export function copy(from: HTMLCanvasElement, to: HTMLCanvasElement, width = from.width, height = from.height): void {
  to.width = width;
  to.height = height;
  const context = context2d(to);
  context.imageSmoothingQuality = "high";
  context.drawImage(from, 0, 0, width, height);
}

/** A picture's small copy, and the size of the picture itself. */
export interface View {
  readonly view: HTMLCanvasElement;
  readonly width: number;
  readonly height: number;
}

/** Shows a square of a picture at side x side, about as the model will see it. */
export function drawSquare(canvas: HTMLCanvasElement, of: View, square: Square, side: number): void {
  canvas.width = side;
  canvas.height = side;
  const context = context2d(canvas);
  context.imageSmoothingQuality = "high";
  context.translate(side / 2, side / 2);
  context.scale(side / square.size, side / square.size);
  context.rotate((-(square.degrees ?? 0) * Math.PI) / 180);
  context.translate(-square.x, -square.y);
  context.drawImage(of.view, 0, 0, of.width, of.height);
}

/** Empties a canvas. */
export const clear = (canvas: HTMLCanvasElement): void => {
  context2d(canvas).clearRect(0, 0, canvas.width, canvas.height);
};

/** A picture enlarged by a whole factor, smoothly. */
export function enlarged(pixels: Pixels, factor: number): Pixels {
  const canvas = document.createElement("canvas");
  copy(canvasOf(pixels), canvas, pixels.width * factor, pixels.height * factor);
  return context2d(canvas).getImageData(0, 0, canvas.width, canvas.height);
}

/** A sheet of pictures of one size, row by row. */
export function sheet(rows: readonly (readonly Pixels[])[], gap = 2): Pixels {
  const { width: w, height: h } = rows[0]![0]!;
  const columns = Math.max(...rows.map((row) => row.length));
  const canvas = document.createElement("canvas");
  canvas.width = columns * (w + gap) - gap;
  canvas.height = rows.length * (h + gap) - gap;
  const context = context2d(canvas);
  context.fillStyle = "white";
  context.fillRect(0, 0, canvas.width, canvas.height);
  rows.forEach((row, y) => {
    row.forEach((p, x) => {
      context.putImageData(new ImageData(new Uint8ClampedArray(p.data), w, h), x * (w + gap), y * (h + gap));
    });
  });
  const { data, width, height } = context.getImageData(0, 0, canvas.width, canvas.height);
  return { data, width, height };
}
