import type { Pixels } from "../src/browser";

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

/** Shows the centred square of a picture at side x side, about as the model will see it. */
export function showSquare(canvas: HTMLCanvasElement, pixels: Pixels, side: number): void {
  const whole = document.createElement("canvas");
  show(whole, pixels);
  const crop = Math.min(pixels.width, pixels.height);
  canvas.width = side;
  canvas.height = side;
  const context = context2d(canvas);
  context.imageSmoothingQuality = "high";
  const left = (pixels.width - crop) / 2;
  const top = (pixels.height - crop) / 2;
  context.drawImage(whole, left, top, crop, crop, 0, 0, side, side);
}

/** Empties a canvas. */
export const clear = (canvas: HTMLCanvasElement): void => {
  context2d(canvas).clearRect(0, 0, canvas.width, canvas.height);
};

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
