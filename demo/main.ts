/** The page: two pictures in, one out. Everything below runs on this machine's GPU. */
import type { Device, Pixels } from "../src/browser";
import { holdsDirections } from "../src/inject/directions-file";
import { blobSource } from "../src/model/checkpoint/source";
import { DirectionSliders } from "./directions";
import { byId } from "./dom";
import { offerSizes, saveResult, saveSheet } from "./downloads";
import { acceptPictures } from "./drops";
import { about, Estimate } from "./estimate";
import { Gallery } from "./gallery";
import { Grid } from "./grid";
import { type Asked, gridJob, injectJob, type Made, type Stage, stripJob } from "./jobs";
import { MaskEditor, maskOverlay } from "./mask";
import { ModelDialog } from "./model-dialog";
import { examplePicture, type Picture, placed, sharedPicture } from "./pictures";
import { PlaceDialog } from "./place";
import { Results, signature, signatureOf } from "./results";
import { Session } from "./session";
import { FIRST_PRESET, fromHash, inversionWay, presetSettings, saysSteps, toHash } from "./settings";
import { Sliders } from "./sliders";
import { Slot } from "./slot";
import { Status } from "./status";
import { STRIP_GAMMAS, Strip } from "./strip";
import { Tasks } from "./tasks";

/** Set by the build: the files of the examples. */
declare const EXAMPLES: readonly string[];

/** The pair the page begins with; the example of a result was made of it. */
const FIRST = { original: "portrait-04", content: "portrait-02" };
/** Those beside them in the grid, as it begins. */
const BESIDE = { original: "portrait-07", content: "portrait-03" };
/** Steps that show something and can be waited for without a GPU. */
const FEW_STEPS = 20;
/** Milliseconds that a setting must rest before the result follows it. */
const SETTLE = 150;

const status = new Status();
const gallery = new Gallery();
const shared = fromHash(location.hash);
/** The page writes the hash itself later on. */
const stepsAsked = saysSteps(location.hash);
const sliders = new Sliders(shared.settings);
const results = new Results(restore);
const estimate = new Estimate();
const overlay = maskOverlay();
const say = (text: string) => status.say(text);
const placing = new PlaceDialog((picture, square) => gallery.replace(placed(picture, square)));
const slotPage = {
  say,
  fail: (...failure: Parameters<Status["fail"]>) => status.fail(...failure),
  place: (picture: Picture) => placing.open(picture, session.engine?.model.resolution ?? 64),
};
const slots = {
  content: new Slot("content", byId("figure", "content"), gallery, slotPage),
  original: new Slot("original", byId("figure", "original"), gallery, slotPage, overlay),
};
const bothSlots = Object.values(slots);
const mask = new MaskEditor(overlay, say);
const directions = new DirectionSliders({
  say,
  fail: (...failure) => status.fail(...failure),
  engine: () => session.engine,
});
const grid = new Grid(gallery, say);
const strip = new Strip((gamma) => {
  sliders.set({ ...sliders.settings, gamma });
  changed();
});
const cancelButton = byId("button", "cancel");
const live = byId("input", "live");

let settling: ReturnType<typeof setTimeout> | undefined;

const tasks = new Tasks({
  started() {
    setBusy(true);
    status.clear();
  },
  idle() {
    for (const slot of bothSlots) slot.progress = undefined;
    grid.idle();
    setBusy(false);
    changedLooks();
  },
  failed(error, again) {
    results.back();
    status.fail(error, { run: again });
  },
});

function setBusy(yes: boolean): void {
  cancelButton.disabled = !yes;
  document.body.classList.toggle("busy", yes);
  document.body.setAttribute("aria-busy", String(yes));
  if (!yes) status.progress(undefined);
}

const session = new Session({
  say,
  progress: (share, text) => status.progress(share, text),
  opened(engine) {
    const { model, device } = engine;
    estimate.clear();
    for (const slot of bothSlots) slot.resize(model.resolution);
    mask.resize(engine.h[1]);
    directions.fit();
    const side = model.resolution;
    byId("span", "model-name").textContent = `${model.name.replace(/\.safetensors$/, "")} · ${side} × ${side}`;
    byId("span", "adapter").textContent = adapterName(device);
    suit();
    if (device.adapterClass !== "software") return "Ready.";
    ease();
    return "Ready. There is no GPU here, so steps are slow.";
  },
  lost(error) {
    // A run in progress reports it, with how far it was.
    if (tasks.running) tasks.cancel(error);
    else status.fail(error, { run: () => void open(undefined) });
    changedLooks();
  },
});

/** Opens a model, as a task that can be cancelled. */
const open = (source: Parameters<Session["open"]>[0]): Promise<void> =>
  tasks.start(
    () =>
      async ({ signal }) =>
        void (await session.open(source, signal)),
  );

/** A software adapter runs on the processor, which is worth knowing for anyone who waits. */
const adapterName = ({ description, adapterClass }: Device) =>
  adapterClass === "software" ? `${description}, no GPU` : description;

/** Leaves the preset of the shipped model for another one, unless something was chosen. */
function suit(): void {
  const { settings } = sliders;
  const first = presetSettings(FIRST_PRESET, settings.seed);
  if (session.shipped || stepsAsked || JSON.stringify(settings) !== JSON.stringify(first)) return;
  sliders.set(presetSettings("quick", settings.seed));
  changed();
}

/** Takes fewer steps, unless a link said how many. */
function ease(): void {
  const { settings } = sliders;
  if (stepsAsked || settings.steps <= FEW_STEPS) return;
  sliders.set({ ...settings, steps: FEW_STEPS, stepsInversion: FEW_STEPS });
  changed();
}

const stage: Stage = {
  estimate,
  ready: (signal) => session.ready(signal),
  say,
  progress: (share, text) => status.progress(share, text),
  inverting(pictures, share, previews) {
    for (const slot of bothSlots) {
      const at = pictures.findIndex((p) => p.key === slot.picture?.key);
      if (at >= 0) slot.progress = share;
      if (previews?.[at]) slot.preview(previews[at]);
    }
  },
  inverted() {
    for (const slot of bothSlots) slot.progress = undefined;
    changedLooks();
  },
};

/** Request that the page makes right now. */
const asked = (): Asked => ({ settings: sliders.settings, mask: mask.values, directions: directions.asked });

/** The pair to work on; says what is missing where there is none. */
function pair(): { content: Picture; original: Picture } | undefined {
  const [content, original] = [slots.content.picture, slots.original.picture];
  if (content && original) return { content, original };
  status.say("Choose a content and an original first.");
  return undefined;
}

/** The pictures that a result is made of: directions can do without the content. */
function inputs(): { content: Picture | undefined; original: Picture } | undefined {
  const chosen = pair();
  return chosen && directions.asked?.alone ? { ...chosen, content: undefined } : chosen;
}

/** The same as a list, and no word about what is missing. */
function inputPictures(): Picture[] {
  const { original, content } = slots;
  return [original, ...(directions.asked?.alone ? [] : [content])].flatMap(({ picture }) => picture ?? []);
}

function run(): void {
  const chosen = inputs();
  if (!chosen) return;
  const show = {
    original: (pixels: Pixels) => results.original(pixels),
    preview: (pixels: Pixels) => results.preview(pixels),
    done(made: Made) {
      results.add(made);
      offerSizes(made);
      byId("button", "download").disabled = false;
    },
  };
  byId("figure", "result").scrollIntoView({ block: "nearest" });
  void tasks.start(() => injectJob(stage, { ...(inputs() ?? chosen), ...asked() }, show));
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
  if (grid.pairs.length === 0) {
    status.say("Choose at least one content and one original for the grid.");
    return;
  }
  void tasks.start(() => {
    const now = asked();
    const missing = grid.missing(settingsNow());
    return gridJob(stage, { pairs: missing.length > 0 ? missing : grid.pairs, ...now }, (made, pixels, done) =>
      grid.put(made, pixels, done ? signature(now, session.engine?.model.hash ?? "") : undefined),
    );
  });
}

const settingsNow = () => signature(asked(), session.engine?.model.hash ?? "");

/** After a setting, the mask or a picture changed: the link follows at once, the result when things have settled. */
function changed(): void {
  const { content, original } = slots;
  const name = (slot: Slot) => (slot.picture?.shareable ? slot.picture.id : undefined);
  const state = { settings: sliders.settings, mask: mask.values, content: name(content), original: name(original) };
  history.replaceState(null, "", `#${toHash(state)}`);
  changedLooks();
  clearTimeout(settling);
  const kept = inputPictures().every((picture) => session.engine?.has(picture, inversionWay(sliders.settings)));
  if (stale() && live.checked && kept) settling = setTimeout(run, SETTLE);
}

/** Whether the page asks for another result than the one it shows. */
function stale(): boolean {
  const { current } = results;
  if (!current || !slots.content.picture || !slots.original.picture) return false;
  return signature(asked(), session.engine?.model.hash ?? "", ...inputPictures()) !== signatureOf(current);
}

/** Brings badges, marks of staleness and the time a run would take up to date. */
function changedLooks(): void {
  const { steps } = sliders.settings;
  const way = inversionWay(sliders.settings);
  for (const slot of bothSlots) {
    slot.inverted = !!(slot.picture && session.engine?.has(slot.picture, way));
    slot.unfamiliar = !!(slot.picture && session.engine?.isUnfamiliar(slot.picture, way));
  }
  grid.settings = settingsNow();
  if (tasks.running) return;
  results.stale = stale() ? "Made with other pictures or settings. Press Inject to make it anew." : undefined;
  const missing = inputPictures().filter((picture) => !session.engine?.has(picture, way)).length;
  const seconds = estimate.seconds([
    { kind: "invert", steps: way.steps, pictures: missing },
    { kind: "generate", steps, pictures: 1 },
  ]);
  byId("span", "estimate").textContent = seconds === undefined ? "" : `takes about ${about(seconds)}`;
}

/** Brings back an older result, and the settings and pictures it was made with as far as they are still there. */
function restore(made: Made): void {
  results.show(made);
  offerSizes(made);
  sliders.set(made.asked.settings);
  mask.set(made.asked.mask);
  directions.set(made.asked.directions);
  for (const role of ["content", "original"] as const) {
    const picture = made[role];
    const there = gallery.find(picture?.id);
    if (!picture || !there) continue;
    if (there.key !== picture.key) gallery.replace(picture);
    slots[role].choose(picture);
  }
  changed();
}

async function copyLink(): Promise<void> {
  const own = bothSlots.some((slot) => slot.picture && !slot.picture.shareable) || directions.asked !== undefined;
  const note = own ? " Your own files stay here: the link carries the settings only." : "";
  await navigator.clipboard.writeText(location.href).then(
    () => status.say(`Link copied.${note}`),
    () => status.say(`Copy the link from the address bar.${note}`),
  );
}

/** Runs what a button starts, and shows what goes wrong. */
const attempt = (work: () => Promise<void>) => () => void work().catch((error) => status.fail(error));

function connect(): void {
  sliders.onChange = changed;
  mask.onChange = changed;
  directions.onChange = changed;
  for (const slot of bothSlots) slot.onChange = slotChanged;
  byId("button", "run").addEventListener("click", run);
  cancelButton.addEventListener("click", () => tasks.cancel());
  byId("button", "run-strip").addEventListener("click", runStrip);
  byId("button", "run-grid").addEventListener("click", runGrid);
  const save = (id: string, work: () => Promise<void>) => byId("button", id).addEventListener("click", attempt(work));
  save("download", async () => results.current && saveResult(results.current, session.engine));
  save("strip-download", () => saveSheet([strip.pictures], "gamma-strip.png", sliders.settings));
  save("grid-download", () => saveSheet(grid.pictures, "grid.png", sliders.settings));
  save("share", copyLink);
  byId("button", "swap").addEventListener("click", () => {
    const [content, original] = [slots.content.picture, slots.original.picture];
    if (content && original) {
      slots.content.choose(original);
      slots.original.choose(content);
    }
  });
  document.addEventListener("keydown", (event) => {
    if (document.querySelector("dialog[open]")) return;
    if (event.key === "Escape") tasks.cancel();
    if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) run();
  });
  const models = new ModelDialog((chosen) => void open(chosen ?? "shipped"));
  acceptPictures(slots, say, (files) => void openDropped(files, models.take));
}

/** Opens files that were dropped: a model, or a file of directions, which has its name's ending in common with one. */
async function openDropped(
  files: ReadonlyMap<string, File>,
  openModel: (files: ReadonlyMap<string, File>) => void,
): Promise<void> {
  const [only] = files.values();
  if (files.size === 1 && only && (await holdsDirections(blobSource(only)))) await directions.take(only);
  else openModel(files);
}

function slotChanged(): void {
  results.dropExample();
  changed();
}

/** Shows what a result looks like, where the page begins with the pictures of the one that comes with it. */
async function showExample(): Promise<void> {
  const [original, content] = [slots.original.picture, slots.content.picture];
  if (original?.id !== FIRST.original || content?.id !== FIRST.content || original.source instanceof File) return;
  const response = await fetch("./example.png");
  await results.example(new Uint8Array(await response.arrayBuffer()), original.source);
}

async function begin(): Promise<void> {
  connect();
  mask.set(shared.mask);
  const loading = open(undefined);
  for (const file of EXAMPLES) gallery.add(await examplePicture(file));
  const wanted = (id: string | undefined) => gallery.find(id) ?? (id ? sharedPicture(id) : undefined);
  slots.original.choose(gallery.add(wanted(shared.original) ?? wanted(FIRST.original)!));
  slots.content.choose(gallery.add(wanted(shared.content) ?? wanted(FIRST.content)!));
  for (const role of ["original", "content"] as const)
    grid.include(role, gallery.find(FIRST[role])!, gallery.find(BESIDE[role])!);
  await showExample();
  await loading;
}

begin().catch((error) => status.fail(error, { label: "Reload", run: () => location.reload() }));
