import type { Pixels } from "../src/browser";
import { byId, make } from "./dom";
import { show } from "./draw";
import type { Picture } from "./pictures";
import { type Gallery, thumbnail } from "./slot";

/** Shares of content in the strip. */
export const STRIP_GAMMAS = [0, 0.2, 0.4, 0.6, 0.8, 1] as const;

const MOST = 4;

/** The same pair at several gammas, side by side. */
export class Strip {
  readonly #list = byId("div", "strip");
  #pictures: readonly Pixels[] = [];

  /** @param choose told the gamma of a picture that was clicked */
  constructor(readonly choose: (gamma: number) => void) {}

  get pictures(): readonly Pixels[] {
    return this.#pictures;
  }

  /** Lays the strip out, empty. */
  begin(): void {
    const items = STRIP_GAMMAS.map((gamma) => {
      const canvas = make("canvas", { width: 1, height: 1 });
      const button = make(
        "button",
        { type: "button", aria: { label: `Set gamma to ${gamma}` } },
        canvas,
        make("span", { textContent: `γ ${gamma.toFixed(1)}` }),
      );
      button.addEventListener("click", () => this.choose(gamma));
      return button;
    });
    this.#list.replaceChildren(...items);
  }

  show(pictures: readonly Pixels[]): void {
    this.#pictures = pictures;
    this.#list.querySelectorAll("canvas").forEach((canvas, i) => {
      if (pictures[i]) show(canvas, pictures[i]);
    });
  }
}

/** Every chosen original with every chosen content. */
export class Grid {
  readonly #table = byId("table", "grid");
  readonly #picks = { original: new Set<string>(), content: new Set<string>() };
  #pictures: Pixels[][] = [];

  constructor(
    readonly gallery: Gallery,
    readonly say: (text: string) => void,
  ) {
    gallery.onChange(() => this.list());
  }

  get originals(): Picture[] {
    return this.#chosen("original");
  }
  get contents(): Picture[] {
    return this.#chosen("content");
  }
  get pictures(): readonly (readonly Pixels[])[] {
    return this.#pictures;
  }

  /** Puts a pair into the choice; the oldest leaves when it is full. */
  include(role: "original" | "content", ...pictures: readonly Picture[]): void {
    for (const { id } of pictures) this.#picks[role].add(id);
    this.list();
  }

  list(): void {
    for (const role of ["content", "original"] as const) {
      const picks = this.#picks[role];
      const buttons = this.gallery.pictures.map((p) => thumbnail(p, picks.has(p.id), () => this.#toggle(role, p)));
      const list = byId("div", `grid-${role}s`);
      const focused = [...list.children].indexOf(document.activeElement as Element);
      list.replaceChildren(...buttons);
      buttons[focused]?.focus();
    }
    this.begin();
  }

  /** Lays the table out, empty. */
  begin(): void {
    this.#pictures = [];
    byId("button", "grid-download").disabled = true;
    const heading = (picture: Picture, scope: "row" | "col") => {
      const canvas = make("canvas", { role: "img", aria: { label: picture.name } });
      show(canvas, picture.pixels);
      return make("th", { scope }, canvas);
    };
    const corner = make(
      "td",
      {},
      make("span", { textContent: "content →" }),
      make("span", { textContent: "original ↓" }),
    );
    const head = make("tr", {}, corner, ...this.contents.map((p) => heading(p, "col")));
    const body = this.originals.map((p) =>
      make(
        "tr",
        {},
        heading(p, "row"),
        ...this.contents.map(() => make("td", {}, make("canvas", { width: 1, height: 1 }))),
      ),
    );
    this.#table.replaceChildren(make("thead", {}, head), make("tbody", {}, ...body));
  }

  row(index: number, pictures: readonly Pixels[]): void {
    this.#pictures[index] = [...pictures];
    const cells = this.#table.tBodies[0]?.rows[index]?.cells;
    pictures.forEach((pixels, i) => {
      const canvas = cells?.[i + 1]?.querySelector("canvas");
      if (canvas) show(canvas, pixels);
    });
  }

  #chosen(role: "original" | "content"): Picture[] {
    return this.gallery.pictures.filter((p) => this.#picks[role].has(p.id));
  }

  #toggle(role: "original" | "content", { id }: Picture): void {
    const picks = this.#picks[role];
    if (picks.has(id)) picks.delete(id);
    else if (picks.size < MOST) picks.add(id);
    else this.say(`At most ${MOST} ${role}s at a time; put one back first.`);
    this.list();
  }
}
