import type { Square } from "../src/browser";
import { alignEyes, centreSquare } from "../src/inject/placement";
import { byId } from "./dom";
import { context2d, drawSquare } from "./draw";
import { grown, kept, type Point, pinched, shifted, turned } from "./gestures";
import { type Picture, squareOfPicture } from "./pictures";

/** Side of the editor's canvas in its own pixels. */
const STAGE = 720;

/** The dialog that chooses a picture's square: drag it, pinch or turn a wheel to resize it, turn it, or click both eyes. */
export class PlaceDialog {
  readonly #dialog = byId("dialog", "place-dialog");
  readonly #canvas = byId("canvas", "place-canvas");
  readonly #preview = byId("canvas", "place-preview");
  readonly #size = byId("input", "place-size");
  readonly #angle = byId("input", "place-angle");
  readonly #eyesButton = byId("button", "place-eyes");
  readonly #hint = byId("p", "place-hint");
  readonly #fingers = new Map<number, Point>();
  #picture: Picture | undefined;
  #square: Square = { x: 0, y: 0, size: 1 };
  /** eyes clicked so far, while they are asked for */
  #eyes: Point[] | undefined;
  #side = 64;

  /** @param done called with the picture and the square to use; undefined for the centred one */
  constructor(readonly done: (picture: Picture, square: Square | undefined) => void) {
    this.#connect();
  }

  open(picture: Picture, side: number): void {
    this.#picture = picture;
    this.#side = side;
    this.#canvas.width = picture.width >= picture.height ? STAGE : Math.round((STAGE * picture.width) / picture.height);
    this.#canvas.height =
      picture.width >= picture.height ? Math.round((STAGE * picture.height) / picture.width) : STAGE;
    byId("h2", "place-title").textContent = `Place ${picture.name}`;
    this.#askEyes(false);
    this.#set(squareOfPicture(picture));
    this.#dialog.showModal();
    this.#canvas.focus();
  }

  #connect(): void {
    const close = () => this.#dialog.close();
    byId("button", "place-cancel").addEventListener("click", close);
    byId("button", "place-use").addEventListener("click", () => {
      if (this.#picture) this.done(this.#picture, this.#chosen());
      close();
    });
    byId("button", "place-reset").addEventListener("click", () => {
      if (this.#picture) this.#set(centreSquare(this.#picture.width, this.#picture.height));
    });
    this.#eyesButton.addEventListener("click", () => this.#askEyes(!this.#eyes));
    this.#size.addEventListener("input", () => {
      const size = this.#longest * 2 ** (Number(this.#size.value) / 10);
      this.#set({ ...this.#square, size });
    });
    this.#angle.addEventListener("input", () => this.#set({ ...this.#square, degrees: Number(this.#angle.value) }));
    const canvas = this.#canvas;
    canvas.tabIndex = 0;
    canvas.setAttribute("role", "application");
    canvas.setAttribute(
      "aria-label",
      "The square that the model sees. Arrows move it, plus and minus resize it, brackets turn it.",
    );
    canvas.addEventListener("pointerdown", (event) => this.#down(event));
    canvas.addEventListener("pointermove", (event) => this.#move(event));
    for (const type of ["pointerup", "pointercancel"] as const)
      canvas.addEventListener(type, (event) => this.#fingers.delete(event.pointerId));
    canvas.addEventListener(
      "wheel",
      (event) => {
        event.preventDefault();
        this.#set(grown(this.#square, Math.exp(event.deltaY * 0.0015), this.#at(event)));
      },
      { passive: false },
    );
    canvas.addEventListener("keydown", (event) => this.#key(event));
  }

  get #longest(): number {
    const { width = 1, height = 1 } = this.#picture ?? {};
    return Math.max(width, height);
  }

  /** The square to use; the centred one is none. */
  #chosen(): Square | undefined {
    const { width, height } = this.#picture!;
    const { x, y, size, degrees } = this.#square;
    const centre = centreSquare(width, height);
    if (x === centre.x && y === centre.y && size === centre.size && !degrees) return undefined;
    const tenth = (v: number) => Math.round(v * 10) / 10;
    return { x: tenth(x), y: tenth(y), size: tenth(size), degrees: tenth(degrees ?? 0) };
  }

  #at(event: MouseEvent): Point {
    const box = this.#canvas.getBoundingClientRect();
    const { width, height } = this.#picture!;
    return [((event.clientX - box.left) / box.width) * width, ((event.clientY - box.top) / box.height) * height];
  }

  #down(event: PointerEvent): void {
    if (event.button !== 0) return;
    const at = this.#at(event);
    if (this.#eyes) {
      this.#eye(at);
      return;
    }
    this.#canvas.setPointerCapture(event.pointerId);
    if (this.#fingers.size < 2) this.#fingers.set(event.pointerId, at);
  }

  #move(event: PointerEvent): void {
    const before = this.#fingers.get(event.pointerId);
    if (!before) return;
    const now = this.#at(event);
    const other = [...this.#fingers].find(([id]) => id !== event.pointerId)?.[1];
    this.#fingers.set(event.pointerId, now);
    if (other) this.#set(pinched(this.#square, [other, before], [other, now]));
    else this.#set(shifted(this.#square, now[0] - before[0], now[1] - before[1]));
  }

  #key(event: KeyboardEvent): void {
    const step = this.#square.size * (event.shiftKey ? 0.1 : 0.01);
    const acts: Record<string, () => Square> = {
      ArrowLeft: () => shifted(this.#square, -step, 0),
      ArrowRight: () => shifted(this.#square, step, 0),
      ArrowUp: () => shifted(this.#square, 0, -step),
      ArrowDown: () => shifted(this.#square, 0, step),
      "+": () => grown(this.#square, 1.02),
      "-": () => grown(this.#square, 1 / 1.02),
      "[": () => turned(this.#square, -1),
      "]": () => turned(this.#square, 1),
    };
    const act = acts[event.key];
    if (!act) return;
    event.preventDefault();
    this.#set(act());
  }

  #askEyes(on: boolean): void {
    this.#eyes = on ? [] : undefined;
    this.#eyesButton.setAttribute("aria-pressed", String(on));
    this.#canvas.classList.toggle("eyes", on);
    this.#hint.textContent = on
      ? "Click one eye, then the other: the square is put where face models expect it."
      : "Drag the square. Wheel or pinch to resize it. Keys: arrows, + and −, [ and ] to turn.";
    this.#draw();
  }

  #eye(at: Point): void {
    const eyes = [...(this.#eyes ?? []), at];
    const [one, two] = eyes;
    if (one && two && Math.hypot(one[0] - two[0], one[1] - two[1]) > 1) {
      this.#askEyes(false);
      this.#set(alignEyes({ eyes: [...one, ...two] }));
      return;
    }
    this.#eyes = eyes.slice(0, 1);
    this.#hint.textContent = "Now the other eye.";
    this.#draw();
  }

  #set(square: Square): void {
    const { width, height } = this.#picture!;
    this.#square = kept(square, width, height);
    this.#size.value = String(10 * Math.log2(this.#square.size / this.#longest));
    this.#angle.value = String(Math.round((this.#square.degrees ?? 0) * 10) / 10);
    this.#size.setAttribute("aria-valuetext", `${Math.round(this.#square.size)} pixels`);
    this.#angle.setAttribute("aria-valuetext", `${this.#angle.value} degrees`);
    byId("output", "place-size-value").textContent = `${Math.round(this.#square.size)} px`;
    byId("output", "place-angle-value").textContent = `${this.#angle.value}°`;
    this.#draw();
  }

  #draw(): void {
    const picture = this.#picture;
    if (!picture) return;
    const canvas = this.#canvas;
    const { x, y, size, degrees = 0 } = this.#square;
    const scale = canvas.width / picture.width;
    const context = context2d(canvas);
    context.resetTransform();
    context.globalAlpha = 1;
    context.drawImage(picture.view, 0, 0, canvas.width, canvas.height);
    const square = new Path2D();
    const turn = new DOMMatrix([scale, 0, 0, scale, 0, 0]).translateSelf(x, y).rotateSelf(degrees);
    const corner = (u: number, v: number) => turn.transformPoint({ x: (u * size) / 2, y: (v * size) / 2 });
    const corners = [corner(-1, -1), corner(1, -1), corner(1, 1), corner(-1, 1)];
    for (const { x, y } of corners) square.lineTo(x, y);
    square.closePath();
    const outside = new Path2D();
    outside.rect(0, 0, canvas.width, canvas.height);
    outside.addPath(square);
    context.fillStyle = "rgb(10 9 8 / 0.55)";
    context.fill(outside, "evenodd");
    context.lineWidth = 2;
    context.strokeStyle = "white";
    context.stroke(square);
    // A tick marks the square's top, so that a turn shows.
    const [from, to] = [corner(0, -1), corner(0, -0.9)];
    context.beginPath();
    context.moveTo(from.x, from.y);
    context.lineTo(to.x, to.y);
    context.stroke();
    for (const [ex, ey] of this.#eyes ?? []) {
      context.beginPath();
      context.arc(ex * scale, ey * scale, 6, 0, 2 * Math.PI);
      context.stroke();
    }
    drawSquare(this.#preview, picture, this.#square, this.#side);
  }
}
