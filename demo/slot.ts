import type { Pixels } from "../src/browser";
import { make } from "./dom";
import { show, showSquare } from "./draw";
import { drawnPicture, filePicture, type Picture, pictureFile, randomSeed } from "./pictures";

/** Pictures on offer in both slots, oldest first. */
export class Gallery {
  readonly pictures: Picture[] = [];
  readonly #listeners: (() => void)[] = [];

  add(picture: Picture): Picture {
    const known = this.pictures.find((p) => p.id === picture.id);
    if (known) return known;
    this.pictures.push(picture);
    for (const listener of this.#listeners) listener();
    return picture;
  }

  onChange(listener: () => void): void {
    this.#listeners.push(listener);
  }
}

/** A picture as a small button. */
export function thumbnail(picture: Picture, pressed: boolean, onClick: () => void): HTMLButtonElement {
  const canvas = make("canvas");
  showSquare(canvas, picture.pixels, 64);
  const button = make(
    "button",
    {
      type: "button",
      className: "thumb",
      title: picture.name,
      aria: { label: picture.name, pressed: String(pressed) },
    },
    canvas,
  );
  button.addEventListener("click", onClick);
  return button;
}

/** Content or original: the picture, and every way to choose another. */
export class Slot {
  readonly #canvas = make("canvas", { role: "img" });
  readonly #inset = make("canvas", { className: "inset", hidden: true, aria: { hidden: "true" } });
  readonly #bar = make("div", { className: "bar", hidden: true, aria: { hidden: "true" } }, make("i"));
  readonly #badge = make("span", { className: "badge", hidden: true, textContent: "inverted" });
  readonly #thumbs = make("div", { className: "thumbs", role: "group" });
  readonly frame: HTMLElement;
  #picture: Picture | undefined;
  #side = 64;
  onChange: () => void = () => {};

  /** @param figure where the slot is built, above whatever it holds already */
  constructor(
    readonly role: "content" | "original",
    figure: HTMLElement,
    readonly gallery: Gallery,
    readonly fail: (error: unknown) => void,
    ...overlays: readonly HTMLElement[]
  ) {
    this.#thumbs.setAttribute("aria-label", `Pictures for ${role}`);
    this.frame = make("div", { className: "frame" }, this.#canvas, ...overlays, this.#inset, this.#bar, this.#badge);
    const file = make("input", {
      type: "file",
      accept: "image/*",
      className: "hidden",
      aria: { label: `Open a picture as ${role}` },
    });
    file.addEventListener("change", () => {
      if (file.files?.[0]) void this.take(file.files[0]);
      file.value = "";
    });
    const open = make("button", { type: "button", textContent: "Open…" });
    open.addEventListener("click", () => file.click());
    const draw = make("button", { type: "button", textContent: "Draw one", title: "A portrait drawn in the page" });
    draw.addEventListener("click", () => this.choose(gallery.add(drawnPicture(randomSeed()))));
    file.tabIndex = -1;
    const tools = make("div", { className: "tools" }, open, draw, ...figure.querySelectorAll(".tool"), file);
    figure.querySelector("header")!.after(this.frame, this.#thumbs, tools);
    this.#acceptDrops(figure);
    gallery.onChange(() => this.#list());
  }

  get picture(): Picture | undefined {
    return this.#picture;
  }

  choose(picture: Picture): void {
    this.#picture = picture;
    showSquare(this.#canvas, picture.pixels, this.#side);
    this.#canvas.setAttribute("aria-label", `${this.role}: ${picture.name}`);
    this.#list();
    this.onChange();
  }

  /** Takes a file as the slot's picture. */
  async take(file: File): Promise<void> {
    try {
      this.choose(this.gallery.add(await filePicture(file)));
    } catch (error) {
      this.fail(error);
    }
  }

  /** Shows pictures at the model's size from now on. */
  resize(side: number): void {
    this.#side = side;
    if (this.#picture) showSquare(this.#canvas, this.#picture.pixels, side);
  }

  /** How far the inversion is, 0 to 1; undefined when none is under way. */
  set progress(share: number | undefined) {
    this.#bar.hidden = share === undefined;
    this.#bar.style.setProperty("--share", String(share ?? 0));
    if (share === undefined) this.#inset.hidden = true;
  }

  /** The x0 the model predicts while it inverts. */
  preview(pixels: Pixels): void {
    this.#inset.hidden = false;
    show(this.#inset, pixels);
  }

  set inverted(yes: boolean) {
    this.#badge.hidden = !yes;
  }

  #list(): void {
    const focused = this.#thumbs.contains(document.activeElement);
    const buttons = this.gallery.pictures.map((p) => thumbnail(p, p.id === this.#picture?.id, () => this.choose(p)));
    this.#thumbs.replaceChildren(...buttons);
    const pressed = buttons[this.gallery.pictures.findIndex((p) => p.id === this.#picture?.id)];
    if (focused) pressed?.focus();
    if (pressed) this.#thumbs.scrollLeft = pressed.offsetLeft - this.#thumbs.clientWidth / 2;
  }

  #acceptDrops(figure: HTMLElement): void {
    const over = (yes: boolean) => figure.classList.toggle("over", yes);
    figure.addEventListener("dragover", (event) => {
      event.preventDefault();
      over(true);
    });
    figure.addEventListener("dragleave", () => over(false));
    figure.addEventListener("drop", (event) => {
      event.preventDefault();
      over(false);
      const file = pictureFile(event.dataTransfer);
      if (file) void this.take(file);
    });
  }
}
