/** The page: two pictures in, one out. Everything below runs on this machine's GPU. */
import { type Device, encodePng, type Pixels } from "../src/browser";
import { Compare } from "./compare";
import { byId, download } from "./dom";
import { sheet } from "./draw";
import { Engine, type ModelSource } from "./engine";
import { HostCopies } from "./host-copies";
import { type Asked, gridJob, injectJob, type Made, type Stage, stripJob } from "./jobs";
import { MaskEditor, maskOverlay } from "./mask";
import { ModelDialog } from "./model-dialog";
import { examplePicture, type Picture, pictureFile, sharedPicture } from "./pictures";
import { fromHash, toHash } from "./settings";
import { Sliders } from "./sliders";
import { Gallery, Slot } from "./slot";
import { Status } from "./status";
import { Grid, STRIP_GAMMAS, Strip } from "./sweeps";
import { Tasks, type Work } from "./tasks";

/** Set by the build: the shipped model's file with its version, and the examples. */
declare const SHIPPED_MODEL: string;
declare const EXAMPLES: readonly string[];

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
const cancelButton = byId("button", "cancel");
const downloadButton = byId("button", "download");
const live = byId("input", "live");

const copies = new HostCopies();
let source: ModelSource | undefined;
let engine: Engine | undefined;
let settling: ReturnType<typeof setTimeout> | undefined;
/** The newest finished result. */
let last: Made | undefined;

const tasks = new Tasks({
  started() {
    setBusy(true);
    status.clear();
  },
  idle() {
    for (const slot of Object.values(slots)) slot.progress = undefined;
    setBusy(false);
  },
  failed(error, again) {
    if (last) compare.result(last.pixels, last.name);
    status.fail(error, again);
  },
});

function setBusy(yes: boolean): void {
  cancelButton.disabled = !yes;
  document.body.classList.toggle("busy", yes);
  document.body.setAttribute("aria-busy", String(yes));
  if (!yes) status.progress(undefined);
  markInverted();
}

/** Opens device and model, the shipped one unless said otherwise. */
async function openEngine(signal: AbortSignal): Promise<Engine> {
  engine?.close();
  engine = undefined;
  const chosen = source ?? { from: new URL(SHIPPED_MODEL, document.baseURI) };
  status.say("Loading the model…");
  const onProgress = (loaded: number, total: number) =>
    status.progress(total ? loaded / total : 0, `Loading the model: ${megabytes(loaded)} of ${megabytes(total)} MB`);
  const opened = await Engine.open(chosen, copies, { signal, onProgress }, lost);
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

/** The device went away, or its memory ran out. */
function lost(error: Error): void {
  engine?.close();
  engine = undefined;
  // A run in progress reports it, with how far it was.
  if (tasks.running) tasks.cancel(error);
  else status.fail(error, () => void tasks.start(openPlan));
  markInverted();
}

const openPlan =
  (): Work =>
  async ({ signal }) =>
    void (await openEngine(signal));

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

const stage: Stage = {
  ready: async (signal) => engine ?? openEngine(signal),
  say: (text) => status.say(text),
  progress: (share, text) => status.progress(share, text),
  inverting(pictures, share, previews) {
    for (const slot of Object.values(slots)) {
      const at = pictures.findIndex((p) => p.id === slot.picture?.id);
      if (at >= 0) slot.progress = share;
      if (previews?.[at]) slot.preview(previews[at]);
    }
  },
  inverted() {
    for (const slot of Object.values(slots)) slot.progress = undefined;
    markInverted();
  },
};

/** What the page asks for right now. */
const asked = (): Asked => ({ settings: sliders.settings, mask: mask.values });

/** The pair to work on; says what is missing where there is none. */
function pair(): { content: Picture; original: Picture } | undefined {
  const [content, original] = [slots.content.picture, slots.original.picture];
  if (content && original) return { content, original };
  status.say("Choose a content and an original first.");
  return undefined;
}

function run(): void {
  const chosen = pair();
  if (!chosen) return;
  const show = {
    original: (pixels: Pixels) => compare.original(pixels),
    preview: (pixels: Pixels) => compare.result(pixels, "Prediction of the result so far"),
    done(made: Made) {
      last = made;
      compare.result(made.pixels, made.name);
      downloadButton.disabled = false;
    },
  };
  void tasks.start(() => injectJob(stage, { ...(pair() ?? chosen), ...asked() }, show));
}

function runStrip(): void {
  const chosen = pair();
  if (!chosen) return;
  const show = (pictures: readonly Pixels[], done: boolean) => {
    strip.show(pictures);
    if (done) byId("button", "strip-download").disabled = false;
  };
  void tasks.start(() => stripJob(stage, { ...(pair() ?? chosen), ...asked(), gammas: STRIP_GAMMAS }, show));
}

function runGrid(): void {
  if (grid.originals.length === 0 || grid.contents.length === 0) {
    status.say("Choose at least one content and one original for the grid.");
    return;
  }
  void tasks.start(() => {
    const { originals, contents } = grid;
    grid.begin();
    return gridJob(stage, { originals, contents, ...asked() }, (row, pictures, whole) => {
      grid.row(row, pictures);
      if (whole) byId("button", "grid-download").disabled = false;
    });
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
  if (last && live.checked && kept(c) && kept(o)) settling = setTimeout(run, SETTLE);
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
  byId("button", "run").addEventListener("click", run);
  cancelButton.addEventListener("click", () => tasks.cancel());
  byId("button", "run-strip").addEventListener("click", runStrip);
  byId("button", "run-grid").addEventListener("click", runGrid);
  downloadButton.addEventListener("click", () => void saveResult());
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
    if (event.key === "Escape" && !document.querySelector("dialog[open]")) tasks.cancel();
    if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) run();
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
    downloadButton.disabled = true;
    void tasks.start(openPlan);
  });
}

async function begin(): Promise<void> {
  connect();
  mask.set(shared.mask);
  const loading = tasks.start(openPlan);
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
