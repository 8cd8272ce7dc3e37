import type { Pixels } from "../src/browser";
import { make } from "./dom";
import { drawSquare, show } from "./draw";
import { type Gallery, Thumbnails } from "./gallery";
import { drawnPicture, filePicture, type Picture, pictureFile, randomSeed, squareOfPicture } from "./pictures";
import type { Remedy } from "./status";

/** Functions of the page that a slot needs. */
export interface SlotPage {
  fail(error: unknown, remedy?: Remedy): void;
  say(text: string): void;
  /** Opens the editor that places a picture. */
  place(picture: Picture): void;
}

/** Content or original: the picture, and every way to choose another. */
export class Slot {
  readonly #canvas = make("canvas", { role: "img" });
  readonly #inset = make("canvas", { className: "inset", hidden: true, aria: { hidden: "true" } });
  readonly #bar = make("div", { className: "bar", hidden: true, aria: { hidden: "true" } }, make("i"));
  readonly #badge = make("span", {
    className: "badge",
    hidden: true,
    textContent: "ready",
    title: "Inverted to noise already: a run with it starts at once",
  });
  readonly #note = make("p", { className: "note" });
  readonly #remove = make("button", { type: "button", textContent: "Remove", title: "Take this picture off the page" });
  readonly #file: HTMLInputElement;
  readonly #thumbs: Thumbnails;
  readonly frame: HTMLElement;
  #id: string | undefined;
  #shown = "";
  #unfamiliar = false;
  #side = 64;
  onChange: () => void = () => {};

  /** @param figure where the slot is built, above whatever it holds already */
  constructor(
    readonly role: "content" | "original",
    figure: HTMLElement,
    readonly gallery: Gallery,
    readonly page: SlotPage,
    ...overlays: readonly HTMLElement[]
  ) {
    const thumbs = make("div", { className: "thumbs", aria: { label: `Pictures for ${role}` } });
    const choose = (id: string) => this.#choose(id);
    this.#thumbs = new Thumbnails(thumbs, true, choose, (id) => this.#drop(id));
    this.frame = make("div", { className: "frame" }, this.#canvas, ...overlays, this.#inset, this.#bar, this.#badge);
    this.#file = make("input", {
      type: "file",
      accept: "image/*",
      className: "hidden",
      tabIndex: -1,
      aria: { label: `Open a picture as ${role}` },
    });
    const tools = make(
      "div",
      { className: "tools" },
      ...this.#buttons(),
      ...figure.querySelectorAll(".tool"),
      this.#file,
    );
    figure.querySelector("header")!.after(this.frame, thumbs, tools, this.#note);
    this.#acceptDrops(figure);
    gallery.onChange(() => this.#galleryChanged());
  }

  #buttons(): HTMLElement[] {
    const file = this.#file;
    file.addEventListener("change", () => {
      if (file.files?.[0]) void this.take(file.files[0]);
      file.value = "";
    });
    const open = make("button", {
      type: "button",
      textContent: "Open…",
      title: "Or drop a picture here, or paste one",
    });
    open.addEventListener("click", () => file.click());
    const draw = make("button", {
      type: "button",
      textContent: "Draw one",
      title: "A new portrait, drawn in the page",
    });
    draw.addEventListener("click", () => this.choose(this.gallery.add(drawnPicture(randomSeed()))));
    const place = make("button", {
      type: "button",
      textContent: "Place…",
      title: "Choose the square that the model sees",
    });
    place.addEventListener("click", () => this.picture && this.page.place(this.picture));
    this.#remove.addEventListener("click", () => this.#id !== undefined && this.#drop(this.#id));
    return [open, draw, place, this.#remove];
  }

  get picture(): Picture | undefined {
    return this.gallery.find(this.#id);
  }

  choose(picture: Picture): void {
    this.#choose(picture.id);
    this.#thumbs.reveal(picture.id);
  }

  /** Takes a file as the slot's picture. */
  async take(file: File): Promise<void> {
    try {
      this.choose(this.gallery.add(await filePicture(file)));
    } catch (error) {
      this.page.fail(error, { label: "Choose another…", run: () => this.#file.click() });
    }
  }

  /** Shows pictures at the model's size from now on. */
  resize(side: number): void {
    this.#side = side;
    this.#shown = "";
    this.#draw();
  }

  /** How far the inversion is, 0 to 1; undefined when none is under way. */
  set progress(share: number | undefined) {
    this.#bar.hidden = share === undefined;
    this.#bar.style.setProperty("--share", String(share ?? 0));
    if (share === undefined) this.#inset.hidden = true;
  }

  /** Shows the x0 that the model predicts while it inverts. */
  preview(pixels: Pixels): void {
    this.#inset.hidden = false;
    show(this.#inset, pixels);
  }

  set inverted(yes: boolean) {
    this.#badge.hidden = !yes;
  }

  /** Whether the model does not know pictures like this one. */
  set unfamiliar(yes: boolean) {
    this.#unfamiliar = yes;
    this.#tell();
  }

  #tell(): void {
    const { picture } = this;
    const far = "Far from the pictures this model knows: expect colour noise. Place its subject, or choose another.";
    this.#note.textContent = picture ? [noteOf(picture), this.#unfamiliar && far].filter(Boolean).join(" ") : "";
    this.#note.classList.toggle("warning", this.#unfamiliar);
  }

  #choose(id: string): void {
    this.#id = id;
    this.#draw();
    this.onChange();
  }

  /** Removes a picture of the user's. A slot that showed it takes its neighbour. */
  #drop(id: string): void {
    const picture = this.gallery.find(id);
    if (picture?.removable) {
      this.gallery.remove(id);
      this.page.say(`Removed ${picture.name}.`);
    } else this.page.say("The pictures that come with the page stay.");
  }

  #galleryChanged(): void {
    if (this.#id !== undefined && !this.picture) {
      this.#id = this.gallery.pictures.at(-1)?.id;
      this.#draw();
      this.onChange();
    } else {
      const before = this.#shown;
      this.#draw();
      if (before !== this.#shown && before !== "") this.onChange();
    }
  }

  #draw(): void {
    const { picture } = this;
    this.#thumbs.show(this.gallery.pictures, ({ id }) => id === this.#id);
    if (!picture) return;
    this.#remove.hidden = !picture.removable;
    this.#tell();
    if (this.#shown === picture.key) return;
    this.#shown = picture.key;
    drawSquare(this.#canvas, picture, squareOfPicture(picture), this.#side);
    this.#canvas.setAttribute("aria-label", `${this.role}: ${picture.name}`);
  }

  #acceptDrops(figure: HTMLElement): void {
    const over = (yes: boolean) => figure.classList.toggle("over", yes);
    figure.addEventListener("dragover", () => over(true));
    figure.addEventListener("dragleave", () => over(false));
    figure.addEventListener("drop", (event) => {
      event.preventDefault();
      over(false);
      const file = pictureFile(event.dataTransfer);
      if (file) void this.take(file);
      else this.page.say("Nothing was dropped that the page can open: drop a picture file.");
    });
  }
}

/** Describes in a few words what the model sees of a picture. */
function noteOf({ square, width, height }: Picture): string {
  if (square) return `Placed: a square of ${Math.round(square.size)} of ${width} × ${height} pixels is used.`;
  if (width === height) return "";
  return `Only the centre square of ${width} × ${height} pixels is used. Place it to use another part.`;
}
