import { decodeImage, encodePng, type Pixels, pasteBack } from "../src/browser";
import { PARAMETERS } from "../src/platform/png-text";
import { byId, download, make } from "./dom";
import { enlarged, sheet } from "./draw";
import type { Engine } from "./engine";
import type { Made } from "./jobs";
import { type Picture, squareOfPicture } from "./pictures";

/** Factors by which results can be enlarged. */
const FACTORS = [1, 4, 8] as const;

const text = (parameters: unknown) => ({
  Software: "InjectFusion on WebGPU",
  [PARAMETERS]: JSON.stringify(parameters),
});

/** Offers the sizes that a result can be saved at: its own, larger, or put back into a photo it was made of. */
export function offerSizes({ pixels, original }: Made): void {
  const select = byId("select", "download-size");
  const { value } = select;
  const sizes = FACTORS.map((factor) => {
    const [w, h] = [pixels.width * factor, pixels.height * factor];
    return make("option", { value: String(factor), textContent: `${w} × ${h}` });
  });
  const { width, height } = original;
  const photo = original.source instanceof File && width * height > pixels.width * pixels.height;
  const back = make("option", { value: "photo", textContent: `in the photo, ${width} × ${height}` });
  select.replaceChildren(...sizes, ...(photo ? [back] : []));
  select.value = [...select.options].some((option) => option.value === value) ? value : "1";
  select.hidden = false;
}

/** Saves a result at the size chosen. */
export async function saveResult(made: Made, engine: Engine | undefined): Promise<void> {
  const { value } = byId("select", "download-size");
  const pixels = value === "photo" ? await inPhoto(made, engine) : enlargedBy(made.pixels, Number(value));
  download(await encodePng(pixels, text(made.parameters)), "injectfusion.png");
}

const enlargedBy = (pixels: Pixels, factor: number): Pixels => (factor > 1 ? enlarged(pixels, factor) : pixels);

async function inPhoto({ pixels, original }: Made, engine: Engine | undefined): Promise<Pixels> {
  if (!engine) throw new Error("there is no GPU to put the result into the photo with; reload the page");
  const photo = await wholePicture(original);
  return pasteBack(engine.device, photo, pixels, { placement: squareOfPicture(original) });
}

const wholePicture = async ({ source }: Picture): Promise<Pixels> =>
  source instanceof File ? decodeImage(source) : source;

/** Saves pictures as one sheet. */
export async function saveSheet(rows: readonly (readonly Pixels[])[], name: string, parameters: object): Promise<void> {
  if (rows.length > 0) download(await encodePng(sheet(rows), text(parameters)), name);
}
