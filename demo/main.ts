/** The page: two pictures in, one out. Everything below runs on this machine's GPU. */
import { type Device, encodePng, type InjectOptions, type Pixels, type StepEvent } from "../src/browser";
import { Compare } from "./compare";
import { byId, download } from "./dom";
import { sheet } from "./draw";
import { Engine, type ModelSource } from "./engine";
import { MaskEditor, maskOverlay } from "./mask";
import { ModelDialog } from "./model-dialog";
import { examplePicture, type Picture, pictureFile, sharedPicture } from "./pictures";
import { fromHash, toHash } from "./settings";
import { Sliders } from "./sliders";
import { Gallery, Slot } from "./slot";
import { Status } from "./status";
import { Grid, STRIP_GAMMAS, Strip } from "./sweeps";

/** Set by the build: the shipped model's file with its version, and the examples. */
declare const SHIPPED_MODEL: string;
declare const EXAMPLES: readonly string[];

/** Milliseconds between previews: reading one back costs a little. */
const PREVIEW_EVERY = 120;
/** Steps that show something and can be waited for without a GPU. */
const FEW_STEPS = 20;
/** Milliseconds a setting must rest before the result follows it. */
const SETTLE = 150;

const status = new Status();
const gallery = new Gallery();
const shared = fromHash(location.hash);
const sliders = new Sliders(shared.settings);
const compare = new Compare();
const overlay = maskOverlay();
const fail = (error: unknown) => status.fail(error, () => {});
const slots = {
  content: new Slot("content", byId("figure", "content"), gallery, fail),
  original: new Slot("original", byId("figure", "original"), gallery, fail, overlay),
};
const mask = new MaskEditor(overlay, (text) => status.say(text));
const grid = new Grid(gallery, (text) => status.say(text));
const strip = new Strip((gamma) => {
  sliders.set({ ...sliders.settings, gamma });
  changed();
});
const runButton = byId("button", "run");
const cancelButton = byId("button", "cancel");
const live = byId("input", "live");

let engine: Engine | undefined;
let busy: AbortController | undefined;
let settling: ReturnType<typeof setTimeout> | undefined;
/** The newest finished result. */
let last: { pixels: Pixels; name: string; parameters: Readonly<Record<string, unknown>> } | undefined;
/** What "Resume" does again after the device was lost. */
let unfinished: (() => Promise<void>) | undefined;

/** One thing at a time on the GPU: a new task cancels the one before and waits for it to end. */
let queue: Promise<void> = Promise.resolve();
function task(work: (signal: AbortSignal) => Promise<void>): Promise<void> {
  busy?.abort();
  const controller = new AbortController();
  busy = controller;
  const mine = queue.then(async () => {
    if (controller.signal.aborted) return;
    setBusy(true);
    status.clear();
    unfinished = () => task(work);
    try {
      await work(controller.signal);
      unfinished = undefined;
    } catch (error) {
      // What a newer task replaced has nothing to say any more.
      if (busy === controller) {
        if (last) compare.result(last.pixels, last.name);
        status.fail(error, () => void resume());
      }
    } finally {
      slots.content.progress = slots.original.progress = undefined;
      if (busy === controller) {
        busy = undefined;
        setBusy(false);
      }
    }
  });
  queue = mine;
  return mine;
}

function setBusy(yes: boolean): void {
  cancelButton.disabled = !yes;
  document.body.classList.toggle("busy", yes);
  document.body.setAttribute("aria-busy", String(yes));
  if (!yes) status.progress(undefined);
  markInverted();
}

/** Opens device and model, the shipped one unless said otherwise. */
async function openEngine(source: ModelSource | undefined, signal: AbortSignal): Promise<Engine> {
  engine?.close();
  engine = undefined;
  const chosen = source ?? new URL(SHIPPED_MODEL, document.baseURI);
  status.say("Loading the model…");
  const onProgress = (loaded: number, total: number) =>
    status.progress(total ? loaded / total : 0, `Loading the model: ${megabytes(loaded)} of ${megabytes(total)} MB`);
  const opened = await Engine.open(chosen, { signal, onProgress }, (error) => {
    engine?.close();
    engine = undefined;
    // A run in progress reports the loss itself.
    if (busy) busy.abort(error);
    else status.fail(error, () => void resume());
    markInverted();
  });
  engine = opened;
  const { model, device } = opened;
  for (const slot of Object.values(slots)) slot.resize(model.resolution);
  mask.resize(opened.h[1]);
  const side = model.resolution;
  byId("span", "model-name").textContent = `${shortName(model.name)} · ${side} × ${side}`;
  byId("span", "adapter").textContent = adapterName(device);
  status.say(eased(device) ? "Ready. There is no GPU here, so the steps are few and slow." : "Ready.");
  return opened;
}

/** A software adapter runs on the processor: worth knowing for whoever waits. */
const adapterName = ({ description, adapterClass }: Device) =>
  adapterClass === "software" ? `${description}, no GPU` : description;

/** On a software adapter, unless a link said how many, fewer steps. @returns whether it did so */
function eased({ adapterClass }: Device): boolean {
  const { settings } = sliders;
  if (adapterClass !== "software" || location.hash.includes("steps=") || settings.steps <= FEW_STEPS) return false;
  sliders.set({ ...settings, steps: FEW_STEPS, stepsInversion: FEW_STEPS });
  return true;
}

const shortName = (name: string) => name.replace(/\.safetensors$/, "");
const megabytes = (bytes: number) => (bytes / 1e6).toFixed(1);

let source: ModelSource | undefined;
const ready = async (signal: AbortSignal): Promise<Engine> => engine ?? openEngine(source, signal);

/** After the device was lost: a new one, and what it was doing once more. */
async function resume(): Promise<void> {
  const again = unfinished;
  if (again) await again();
  else await task(async (signal) => void (await ready(signal)));
}

/** Shows an event of a run, and now and then the picture it predicts. */
function follow(words: string, before: number, runs: number, onPreview: (pictures: Pixels[]) => void) {
  let shown = 0;
  return async (event: StepEvent): Promise<void> => {
    const share = (before + event.step / event.steps) / runs;
    status.progress(share, `${words}, step ${event.step} of ${event.steps} (t = ${event.t})`);
    const now = performance.now();
    if (now - shown < PREVIEW_EVERY && event.step < event.steps) return;
    onPreview(await event.preview());
    shown = performance.now();
  };
}

/** The inversions of these pictures; those not kept yet are made, under the eyes of whoever shows them. */
async function inversions(on: Engine, pictures: readonly Picture[], signal: AbortSignal) {
  let batch: readonly Picture[] = [];
  const onStep = (event: StepEvent) => {
    for (const slot of Object.values(slots))
      if (batch.some((p) => p.id === slot.picture?.id)) slot.progress = event.step / event.steps;
    return followed(event);
  };
  const followed = follow("Inverting", 0, 2, (previews) => {
    for (const slot of Object.values(slots)) {
      const preview = previews[batch.findIndex((p) => p.id === slot.picture?.id)];
      if (preview) slot.preview(preview);
    }
  });
  const onBatch = (next: readonly Picture[]) => {
    batch = next;
    status.say(`Inverting ${next.map((p) => p.name).join(" and ")}.`);
  };
  const made = await on.invert(pictures, sliders.settings.stepsInversion, { signal, onStep, onBatch });
  slots.content.progress = slots.original.progress = undefined;
  markInverted();
  return made;
}

/** Parameters of a run as the page has them. */
function parameters(on: Engine): Omit<InjectOptions, "original"> {
  const { stepsInversion: _, ...settings } = sliders.settings;
  const values = mask.values;
  const side = on.h[1];
  const fits = values && values.length === side * side;
  return { ...settings, ...(fits && { mask: { values, width: side, height: side } }) };
}

/** The whole method: invert what is not inverted, then generate. */
function run(): Promise<void> {
  return task(async (signal) => {
    const [content, original] = [slots.content.picture, slots.original.picture];
    if (!content || !original) return status.say("Choose a content and an original first.");
    const began = performance.now();
    const on = await ready(signal);
    const [c, o] = await inversions(on, [content, original], signal);
    status.say("Generating.");
    compare.original((await o!.toPixels())[0]!);
    const onStep = follow("Generating", 1, 2, ([preview]) =>
      compare.result(preview!, "Prediction of the result so far"),
    );
    const chosen = parameters(on);
    const result = await on.inject({ ...chosen, content: c!, original: o!, signal, onStep });
    const [pixels] = await result.toPixels();
    const provenance = {
      ...result.parameters[0],
      preset: chosen.preset,
      content: content.name,
      original: original.name,
      ...(chosen.mask && chosen.mask !== "official" && { mask: chosen.mask.values }),
    };
    result.dispose();
    last = {
      pixels: pixels!,
      name: `Result: ${original.name} with the content of ${content.name}`,
      parameters: provenance,
    };
    compare.result(last.pixels, last.name);
    byId("button", "download").disabled = false;
    const seconds = ((performance.now() - began) / 1000).toFixed(1);
    status.say(`Done in ${seconds} s. The inversions are kept, so settings follow quickly.`);
  });
}

function runStrip(): Promise<void> {
  return task(async (signal) => {
    const [content, original] = [slots.content.picture, slots.original.picture];
    if (!content || !original) return status.say("Choose a content and an original first.");
    const on = await ready(signal);
    const [c, o] = await inversions(on, [content, original], signal);
    status.say("Generating the strip.");
    const variants = STRIP_GAMMAS.map((gamma) => ({ gamma }));
    const onStep = follow("Generating the strip", 1, 2, (pictures) => strip.show(pictures));
    const result = await on.inject({ ...parameters(on), content: c!, original: o!, variants, signal, onStep });
    strip.show(await result.toPixels());
    result.dispose();
    byId("button", "strip-download").disabled = false;
    status.say("The strip is done. Choose a picture to take its gamma.");
  });
}

function runGrid(): Promise<void> {
  return task(async (signal) => {
    const { originals, contents } = grid;
    if (originals.length === 0 || contents.length === 0)
      return status.say("Choose at least one content and one original for the grid.");
    const on = await ready(signal);
    grid.begin();
    const made = await inversions(on, [...contents, ...originals], signal);
    status.say("Generating the grid.");
    const options = parameters(on);
    const cells = originals.length * contents.length;
    for (const [r] of originals.entries()) {
      const row: Pixels[] = [];
      for (const content of made.slice(0, contents.length)) {
        const at = r * contents.length + row.length;
        const words = `Generating picture ${at + 1} of ${cells}`;
        const onStep = follow(words, at, cells, (preview) => grid.row(r, [...row, ...preview]));
        const result = await on.inject({ ...options, content, original: made[contents.length + r]!, signal, onStep });
        row.push(...(await result.toPixels()));
        result.dispose();
        grid.row(r, row);
      }
    }
    byId("button", "grid-download").disabled = false;
    status.say("The grid is done.");
  });
}

/** After a setting, the mask or a picture changed: the link follows at once, the result when things have settled. */
function changed(): void {
  const { content, original } = slots;
  const name = (slot: Slot) => (slot.picture?.shareable ? slot.picture.id : undefined);
  const state = { settings: sliders.settings, mask: mask.values, content: name(content), original: name(original) };
  history.replaceState(null, "", `#${toHash(state)}`);
  markInverted();
  clearTimeout(settling);
  const { picture: c } = content;
  const { picture: o } = original;
  const kept = (p: Picture | undefined) => p !== undefined && engine?.has(p, sliders.settings.stepsInversion);
  if (last && live.checked && kept(c) && kept(o)) settling = setTimeout(() => void run(), SETTLE);
}

function markInverted(): void {
  for (const slot of Object.values(slots))
    slot.inverted = !!(slot.picture && engine?.has(slot.picture, sliders.settings.stepsInversion));
}

async function saveResult(): Promise<void> {
  if (!last) return;
  const text = { Software: "InjectFusion on WebGPU", parameters: JSON.stringify(last.parameters) };
  download(await encodePng(last.pixels, text), "injectfusion.png");
}

async function saveSheet(rows: readonly (readonly Pixels[])[], name: string): Promise<void> {
  const { settings } = sliders;
  download(
    await encodePng(sheet(rows), { Software: "InjectFusion on WebGPU", parameters: JSON.stringify(settings) }),
    name,
  );
}

async function copyLink(): Promise<void> {
  const own = Object.values(slots).some((slot) => slot.picture && !slot.picture.shareable);
  const note = own ? " Your own pictures stay here: the link carries the settings only." : "";
  await navigator.clipboard.writeText(location.href).then(
    () => status.say(`Link copied.${note}`),
    () => status.say(`Copy the link from the address bar.${note}`),
  );
}

function connect(): void {
  sliders.onChange = changed;
  mask.onChange = changed;
  for (const slot of Object.values(slots)) slot.onChange = changed;
  runButton.addEventListener("click", () => void run());
  cancelButton.addEventListener("click", () => busy?.abort());
  byId("button", "run-strip").addEventListener("click", () => void runStrip());
  byId("button", "run-grid").addEventListener("click", () => void runGrid());
  byId("button", "download").addEventListener("click", () => void saveResult());
  byId("button", "strip-download").addEventListener("click", () => void saveSheet([strip.pictures], "gamma-strip.png"));
  byId("button", "grid-download").addEventListener("click", () => void saveSheet(grid.pictures, "grid.png"));
  byId("button", "share").addEventListener("click", () => void copyLink());
  byId("button", "swap").addEventListener("click", () => {
    const [content, original] = [slots.content.picture, slots.original.picture];
    if (content && original) {
      slots.content.choose(original);
      slots.original.choose(content);
    }
  });
  document.addEventListener("keydown", (event) => {
    if (event.key === "Escape" && busy && !document.querySelector("dialog[open]")) busy.abort();
    if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) void run();
  });
  document.addEventListener("paste", (event) => {
    const file = pictureFile(event.clipboardData);
    const slot = byId("figure", "original").contains(document.activeElement) ? slots.original : slots.content;
    if (file) void slot.take(file);
  });
  new ModelDialog((chosen) => {
    source = chosen;
    last = undefined;
    compare.empty();
    byId("button", "download").disabled = true;
    void task(async (signal) => void (await openEngine(source, signal)));
  });
}

async function begin(): Promise<void> {
  connect();
  mask.set(shared.mask);
  const loading = task(async (signal) => void (await openEngine(undefined, signal)));
  for (const file of EXAMPLES) gallery.add(await examplePicture(file));
  const wanted = (id: string | undefined) =>
    gallery.pictures.find((p) => p.id === id) ?? (id ? sharedPicture(id) : undefined);
  const [first, second, third] = gallery.pictures;
  slots.original.choose(gallery.add(wanted(shared.original) ?? first!));
  slots.content.choose(gallery.add(wanted(shared.content) ?? second!));
  strip.begin();
  if (first && second && third) {
    grid.include("original", first, second);
    grid.include("content", second, third);
  }
  await loading;
}

begin().catch(fail);
