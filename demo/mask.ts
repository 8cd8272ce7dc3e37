import { byId, make } from "./dom";
import { clear, context2d } from "./draw";

/** Cells of paint along one side of the model's square; a multiple of every h grid. */
const FINE = 128;

/** The mask: painted with a brush on the original, used as the mean over each cell of the h grid. What is drawn in a cell
 *  (a square whose area is the cell's value) is exactly what the run is given. */
export class MaskEditor {
  readonly #paint = new Float32Array(FINE * FINE);
  readonly #overlay: HTMLCanvasElement;
  readonly #tools = byId("div", "mask-tools");
  readonly #size = byId("input", "brush-size");
  readonly #say: (text: string) => void;
  #side = 8;
  #active = false;
  #erasing = false;
  #cursor = { x: 0, y: 0 };
  /** told after every change */
  onChange: () => void = () => {};

  constructor(overlay: HTMLCanvasElement, say: (text: string) => void) {
    this.#overlay = overlay;
    this.#say = say;
    overlay.width = 512;
    overlay.height = 512;
    this.#connect();
  }

  /** Values of the h grid row by row, or undefined where nothing is painted: then content acts everywhere. */
  get values(): number[] | undefined {
    const cells = this.#cells();
    return cells.some((v) => v > 0) ? cells : undefined;
  }

  get side(): number {
    return this.#side;
  }

  /** Sets the size of the h grid. */
  resize(side: number): void {
    if (FINE % side !== 0) return;
    this.#side = side;
    this.#draw();
  }

  /** Replaces the mask by values of an h grid. */
  set(values: readonly number[] | undefined): void {
    const side = Math.sqrt(values?.length ?? this.#side ** 2);
    if (!Number.isInteger(side) || FINE % side !== 0) return;
    for (let i = 0; i < this.#paint.length; i++) {
      const cell = Math.floor(Math.floor(i / FINE) / (FINE / side)) * side + Math.floor((i % FINE) / (FINE / side));
      this.#paint[i] = values?.[cell] ?? 0;
    }
    this.#changed();
  }

  #cells(): number[] {
    const block = FINE / this.#side;
    const sums = new Array<number>(this.#side ** 2).fill(0);
    for (let y = 0; y < FINE; y++)
      for (let x = 0; x < FINE; x++)
        sums[Math.floor(y / block) * this.#side + Math.floor(x / block)]! += this.#paint[y * FINE + x]!;
    return sums.map((sum) => sum / block ** 2);
  }

  #connect(): void {
    const overlay = this.#overlay;
    const toggle = byId("button", "mask-toggle");
    toggle.addEventListener("click", () => this.#activate(!this.#active));
    const erase = byId("button", "mask-erase");
    erase.addEventListener("click", () => {
      this.#erasing = !this.#erasing;
      erase.setAttribute("aria-pressed", String(this.#erasing));
    });
    byId("button", "mask-clear").addEventListener("click", () => {
      this.set(undefined);
      this.#say("Mask cleared: content acts everywhere.");
    });
    byId("button", "mask-invert").addEventListener("click", () => {
      for (let i = 0; i < this.#paint.length; i++) this.#paint[i] = 1 - this.#paint[i]!;
      this.#changed();
    });
    let last: { x: number; y: number } | undefined;
    const at = (event: PointerEvent) => {
      const box = overlay.getBoundingClientRect();
      return { x: ((event.clientX - box.left) / box.width) * FINE, y: ((event.clientY - box.top) / box.height) * FINE };
    };
    overlay.addEventListener("pointerdown", (event) => {
      if (!this.#active || event.button !== 0) return;
      overlay.setPointerCapture(event.pointerId);
      last = at(event);
      this.#stroke(last, last);
    });
    overlay.addEventListener("pointermove", (event) => {
      if (!last) return;
      const next = at(event);
      this.#stroke(last, next);
      last = next;
    });
    const end = () => {
      if (last) this.onChange();
      last = undefined;
    };
    overlay.addEventListener("pointerup", end);
    overlay.addEventListener("pointercancel", end);
    overlay.addEventListener("keydown", (event) => this.#key(event));
    overlay.addEventListener("focus", () => this.#draw());
    overlay.addEventListener("blur", () => this.#draw());
  }

  #activate(on: boolean): void {
    this.#active = on;
    byId("button", "mask-toggle").setAttribute("aria-pressed", String(on));
    this.#tools.hidden = !on;
    this.#overlay.classList.toggle("active", on);
    this.#overlay.tabIndex = on ? 0 : -1;
    this.#draw();
    if (on) this.#say("Paint where the content should act. With the keyboard: arrows move, space paints a cell.");
  }

  /** Paints a line with a round brush of soft edge, in cells of paint. */
  #stroke(from: { x: number; y: number }, to: { x: number; y: number }): void {
    const radius = Number(this.#size.value) * (FINE / 16);
    const target = this.#erasing ? 0 : 1;
    const steps = Math.max(1, Math.ceil(Math.hypot(to.x - from.x, to.y - from.y) / (radius / 3)));
    for (let s = 0; s <= steps; s++) {
      const x = from.x + ((to.x - from.x) * s) / steps;
      const y = from.y + ((to.y - from.y) * s) / steps;
      for (let row = Math.max(0, Math.floor(y - radius)); row < Math.min(FINE, y + radius); row++)
        for (let column = Math.max(0, Math.floor(x - radius)); column < Math.min(FINE, x + radius); column++) {
          const weight = Math.min(1, Math.max(0, (radius - Math.hypot(column + 0.5 - x, row + 0.5 - y)) / 2));
          const i = row * FINE + column;
          const value = this.#paint[i]!;
          if (Math.abs(target - value) > 1 - weight)
            this.#paint[i] = target === 1 ? Math.max(value, weight) : Math.min(value, 1 - weight);
        }
    }
    this.#draw();
  }

  #key(event: KeyboardEvent): void {
    const moves: Record<string, readonly [number, number]> = {
      ArrowLeft: [-1, 0],
      ArrowRight: [1, 0],
      ArrowUp: [0, -1],
      ArrowDown: [0, 1],
    };
    const move = moves[event.key];
    const keep = (v: number) => Math.min(this.#side - 1, Math.max(0, v));
    if (move) this.#cursor = { x: keep(this.#cursor.x + move[0]), y: keep(this.#cursor.y + move[1]) };
    else if (event.key === " " || event.key === "Enter") this.#toggleCell();
    else return;
    event.preventDefault();
    const value = this.#cells()[this.#cursor.y * this.#side + this.#cursor.x]!;
    this.#say(`Row ${this.#cursor.y + 1}, column ${this.#cursor.x + 1}: ${Math.round(value * 100)} %`);
    this.#draw();
  }

  #toggleCell(): void {
    const { x, y } = this.#cursor;
    const block = FINE / this.#side;
    const value = this.#cells()[y * this.#side + x]! > 0.5 ? 0 : 1;
    for (let row = y * block; row < (y + 1) * block; row++)
      this.#paint.fill(value, row * FINE + x * block, row * FINE + (x + 1) * block);
    this.#changed();
  }

  #changed(): void {
    this.#draw();
    this.onChange();
  }

  #draw(): void {
    const canvas = this.#overlay;
    clear(canvas);
    const cells = this.#cells();
    if (!this.#active && !cells.some((v) => v > 0)) return;
    const context = context2d(canvas);
    const accent = getComputedStyle(canvas).color;
    const cell = canvas.width / this.#side;
    context.fillStyle = accent;
    cells.forEach((v, i) => {
      const size = cell * Math.sqrt(v);
      const [x, y] = [(i % this.#side) * cell, Math.floor(i / this.#side) * cell];
      if (size < 4) return;
      const box = [x + (cell - size) / 2, y + (cell - size) / 2, size, size] as const;
      context.globalAlpha = 0.5;
      context.fillRect(...box);
      context.globalAlpha = 0.9;
      context.lineWidth = 1.5;
      context.strokeStyle = "white";
      context.strokeRect(...box);
    });
    if (!this.#active) return;
    context.globalAlpha = 0.35;
    context.lineWidth = 1;
    context.strokeStyle = "white";
    context.beginPath();
    for (let k = 1; k < this.#side; k++) {
      context.moveTo(k * cell, 0);
      context.lineTo(k * cell, canvas.height);
      context.moveTo(0, k * cell);
      context.lineTo(canvas.width, k * cell);
    }
    context.stroke();
    context.globalAlpha = 1;
    if (document.activeElement !== canvas || !canvas.matches(":focus-visible")) return;
    context.lineWidth = 4;
    context.strokeStyle = accent;
    context.strokeRect(this.#cursor.x * cell + 2, this.#cursor.y * cell + 2, cell - 4, cell - 4);
  }
}

/** The canvas the mask is painted on, to lie over the original. */
export const maskOverlay = (): HTMLCanvasElement =>
  make("canvas", {
    className: "mask",
    id: "mask",
    tabIndex: -1,
    role: "application",
    aria: { label: "Mask on the h grid. Arrows move, space paints a cell." },
  });
