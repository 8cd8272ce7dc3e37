import type { Pixels } from "../src/browser";
import { Cells } from "./cells";
import { byId, make } from "./dom";
import { clear, copy, show } from "./draw";
import { type Gallery, Thumbnails } from "./gallery";
import type { Picture } from "./pictures";

/** Pictures of each role at most. */
const MOST = 4;
const roles = ["content", "original"] as const;
type Role = (typeof roles)[number];

/** A cell of the grid: what it is made of. */
export interface GridPair {
  readonly original: Picture;
  readonly content: Picture;
}

/** Every chosen original with every chosen content. Finished results stay with their pictures whatever is chosen. */
export class Grid {
  readonly #table = byId("table", "grid");
  readonly #save = byId("button", "grid-download");
  readonly #picks = { original: new Set<string>(), content: new Set<string>() };
  readonly #cells = new Cells();
  readonly #lists: Readonly<Record<Role, Thumbnails>>;
  #shown = "";
  /** settings as they are now; results of others are marked */
  #settings = "";

  constructor(
    readonly gallery: Gallery,
    readonly say: (text: string) => void,
  ) {
    const list = (role: Role) => {
      const element = byId("div", `grid-${role}s`);
      element.setAttribute("aria-label", `${role === "content" ? "Contents" : "Originals"} of the grid`);
      return new Thumbnails(element, false, (id) => this.#toggle(role, id));
    };
    this.#lists = { content: list("content"), original: list("original") };
    gallery.onChange(() => this.#update());
  }

  /** The pairs of the table, row by row. */
  get pairs(): GridPair[] {
    return this.#rows.flat();
  }

  /** The pairs that have no result with these settings yet. */
  missing(settings: string): GridPair[] {
    return this.#cells.missing(this.pairs, settings);
  }

  /** The results, row by row; empty unless every cell has one. */
  get pictures(): readonly (readonly Pixels[])[] {
    const rows = this.#rows.map((row) => row.map((pair) => this.#cells.of(pair)));
    const whole = (row: (Pixels | undefined)[]): row is Pixels[] => row.every((pixels) => pixels !== undefined);
    return rows.every(whole) ? rows : [];
  }

  /** Adds pictures to the choice. */
  include(role: Role, ...pictures: readonly Picture[]): void {
    for (const { id } of pictures) this.#picks[role].add(id);
    this.#update();
  }

  /** Marks the results that were not made with these settings. */
  set settings(settings: string) {
    this.#settings = settings;
    this.#fill();
  }

  /** Shows a result of a pair, or without `made` the prediction of one. */
  put(pair: GridPair, pixels: Pixels, made?: string): void {
    this.#cells.put(pair, pixels, made);
    this.#fill(pair);
  }

  /** No run is under way: predictions leave the table. */
  idle(): void {
    this.#cells.dropUnfinished();
    this.#fill();
  }

  get #rows(): GridPair[][] {
    return this.#chosen("original").map((original) =>
      this.#chosen("content").map((content) => ({ original, content })),
    );
  }

  #chosen(role: Role): Picture[] {
    return this.gallery.pictures.filter((p) => this.#picks[role].has(p.id));
  }

  #toggle(role: Role, id: string): void {
    const picks = this.#picks[role];
    if (picks.has(id)) picks.delete(id);
    else if (picks.size < MOST) picks.add(id);
    else this.say(`At most ${MOST} ${role}s at a time; take one out first.`);
    this.#update();
  }

  #update(): void {
    for (const role of roles) {
      for (const id of this.#picks[role]) if (!this.gallery.find(id)) this.#picks[role].delete(id);
      this.#lists[role].show(this.gallery.pictures, ({ id }) => this.#picks[role].has(id));
    }
    const shown = this.pairs.map(({ original, content }) => `${original.key} ${content.key}`).join("\n");
    if (shown !== this.#shown) this.#layOut();
    this.#shown = shown;
    this.#fill();
  }

  #layOut(): void {
    const heading = (picture: Picture, scope: "row" | "col") => {
      const canvas = make("canvas", { role: "img", aria: { label: picture.name } });
      copy(picture.thumb, canvas);
      return make("th", { scope }, canvas);
    };
    const words = [make("span", { textContent: "content →" }), make("span", { textContent: "original ↓" })];
    const cell = ({ original, content }: GridPair) => {
      const label = `${original.name} with the content of ${content.name}`;
      return make("td", {}, make("canvas", { width: 1, height: 1, role: "img", aria: { label } }));
    };
    const head = make("tr", {}, make("td", {}, ...words), ...this.#chosen("content").map((p) => heading(p, "col")));
    const rows = this.#rows;
    const body = this.#chosen("original").map((p, y) => make("tr", {}, heading(p, "row"), ...rows[y]!.map(cell)));
    this.#table.replaceChildren(make("thead", {}, head), make("tbody", {}, ...body));
  }

  /** Draws one cell, or all of them. */
  #fill(only?: GridPair): void {
    this.#rows.forEach((row, y) => {
      row.forEach((pair, x) => {
        const cell = this.#table.tBodies[0]?.rows[y]?.cells[x + 1];
        const canvas = cell?.querySelector("canvas");
        if (!cell || !canvas) return;
        const pixels = this.#cells.of(pair);
        cell.classList.toggle("stale", pixels !== undefined && !this.#cells.fresh(pair, this.#settings));
        if (only && (only.original.key !== pair.original.key || only.content.key !== pair.content.key)) return;
        if (pixels) show(canvas, pixels);
        else clear(canvas);
      });
    });
    this.#save.disabled = this.pictures.length === 0;
  }
}
