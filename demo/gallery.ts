import { make } from "./dom";
import { copy } from "./draw";
import type { Picture } from "./pictures";

/** Pictures on offer in both slots and in the grid, oldest first. */
export class Gallery {
  #pictures: readonly Picture[] = [];
  readonly #listeners: (() => void)[] = [];

  get pictures(): readonly Picture[] {
    return this.#pictures;
  }

  find(id: string | undefined): Picture | undefined {
    return this.#pictures.find((p) => p.id === id);
  }

  /** Adds a picture. @returns it, or the one of the same id that is there already */
  add(picture: Picture): Picture {
    const known = this.find(picture.id);
    if (!known) this.#set([...this.#pictures, picture]);
    return known ?? picture;
  }

  /** Puts a picture in the place of the one of its id: the same picture, placed in another way. */
  replace(picture: Picture): void {
    this.#set(this.#pictures.map((p) => (p.id === picture.id ? picture : p)));
  }

  remove(id: string): void {
    this.#set(this.#pictures.filter((p) => p.id !== id));
  }

  onChange(listener: () => void): void {
    this.#listeners.push(listener);
  }

  #set(pictures: readonly Picture[]): void {
    this.#pictures = pictures;
    for (const listener of this.#listeners) listener();
  }
}

/** A row of thumbnails that is one tab stop: arrow keys move in it. Its buttons are kept, and drawn once for each picture. */
export class Thumbnails {
  readonly #buttons = new Map<string, { readonly button: HTMLButtonElement; key: string }>();
  #order: readonly HTMLButtonElement[] = [];

  /** @param one whether one picture is chosen at a time, as by radio buttons, or each can be chosen
   *  @param press called with the id of a picture that was pressed
   *  @param drop called with the id of a picture on which Delete was pressed */
  constructor(
    readonly element: HTMLElement,
    readonly one: boolean,
    readonly press: (id: string) => void,
    readonly drop: (id: string) => void = () => {},
  ) {
    element.setAttribute("role", one ? "radiogroup" : "group");
    element.addEventListener("keydown", (event) => this.#key(event));
  }

  /** Shows these pictures, and which of them are chosen. */
  show(pictures: readonly Picture[], chosen: (picture: Picture) => boolean): void {
    const order = pictures.map((picture) => this.#buttonOf(picture));
    for (const id of this.#buttons.keys()) if (!pictures.some((p) => p.id === id)) this.#buttons.delete(id);
    const moved = order.length !== this.#order.length || order.some((button, i) => button !== this.#order[i]);
    const focused = this.#order.indexOf(document.activeElement as HTMLButtonElement);
    if (moved) this.element.replaceChildren(...order);
    this.#order = order;
    pictures.forEach((picture, i) => {
      order[i]!.setAttribute(this.one ? "aria-checked" : "aria-pressed", String(chosen(picture)));
    });
    const stop = focused >= 0 ? Math.min(focused, order.length - 1) : pictures.findIndex(chosen);
    this.#stopAt(Math.max(0, stop));
    if (moved && focused >= 0) order[Math.max(0, stop)]?.focus();
  }

  /** Scrolls a picture into the middle of the row. */
  reveal(id: string): void {
    const button = this.#buttons.get(id)?.button;
    if (button) this.element.scrollLeft = button.offsetLeft - this.element.clientWidth / 2;
  }

  #buttonOf(picture: Picture): HTMLButtonElement {
    const known = this.#buttons.get(picture.id);
    if (known?.key === picture.key) return known.button;
    const canvas = known?.button.querySelector("canvas") ?? make("canvas");
    copy(picture.thumb, canvas);
    if (known) {
      known.key = picture.key;
      return known.button;
    }
    const { id, name, key } = picture;
    const label = { label: name };
    const button = make("button", { type: "button", className: "thumb", title: name, aria: label }, canvas);
    if (this.one) button.setAttribute("role", "radio");
    button.addEventListener("click", () => this.press(id));
    this.#buttons.set(id, { button, key });
    return button;
  }

  #stopAt(index: number): void {
    this.#order.forEach((button, i) => {
      button.tabIndex = i === index ? 0 : -1;
    });
  }

  #key(event: KeyboardEvent): void {
    const at = this.#order.indexOf(document.activeElement as HTMLButtonElement);
    const last = this.#order.length - 1;
    const to: Record<string, number> = {
      ArrowRight: at === last ? 0 : at + 1,
      ArrowDown: at === last ? 0 : at + 1,
      ArrowLeft: at === 0 ? last : at - 1,
      ArrowUp: at === 0 ? last : at - 1,
      Home: 0,
      End: last,
    };
    const next = to[event.key];
    const id = [...this.#buttons].find(([, { button }]) => button === this.#order[at])?.[0];
    if (at < 0 || id === undefined) return;
    if (event.key === "Delete") this.drop(id);
    else if (next === undefined) return;
    else {
      this.#stopAt(next);
      this.#order[next]!.focus();
      if (this.one) this.#order[next]!.click();
    }
    event.preventDefault();
  }
}
