import type { InjectOptions, Pixels, RunOptions, StepEvent } from "../src/browser";
import type { Engine } from "./engine";
import type { Picture } from "./pictures";
import type { Settings } from "./settings";
import type { Attempt, Work } from "./tasks";

/** Milliseconds between previews: reading one back costs a little. */
const PREVIEW_EVERY = 120;

/** What a job was asked for, read from the page once. */
export interface Asked {
  readonly settings: Settings;
  /** values of the h grid row by row */
  readonly mask: readonly number[] | undefined;
}

/** A finished picture and all it was made with. */
export interface Made {
  readonly pixels: Pixels;
  readonly name: string;
  readonly parameters: Readonly<Record<string, unknown>>;
}

/** Where jobs show what they do. */
export interface Stage {
  ready(signal: AbortSignal): Promise<Engine>;
  say(text: string): void;
  progress(share: number, text: string): void;
  /** pictures whose inversion is under way: how far, and what the model predicts of them */
  inverting(pictures: readonly Picture[], share: number, previews?: readonly Pixels[]): void;
  inverted(): void;
}

/** The whole method: invert what is not inverted, then generate. */
export function injectJob(
  stage: Stage,
  { content, original, ...asked }: Asked & { readonly content: Picture; readonly original: Picture },
  show: { original(pixels: Pixels): void; preview(pixels: Pixels): void; done(made: Made): void },
): Work {
  return async ({ signal, resume }) => {
    const began = performance.now();
    const on = await stage.ready(signal);
    const [c, o] = await inversions(stage, on, [content, original], asked, signal);
    stage.say(resume ? `Generating on from step ${resume.step}.` : "Generating.");
    show.original((await o!.toPixels())[0]!);
    const onStep = follow(stage, "Generating", 1, 2, ([preview]) => show.preview(preview!));
    const chosen = parameters(on, asked);
    const result = await on.inject({ ...chosen, content: c!, original: o!, ...running({ signal, resume }), onStep });
    const [pixels] = await result.toPixels();
    const mask = chosen.mask && { mask: asked.mask };
    const names = { preset: asked.settings.preset, content: content.name, original: original.name };
    show.done({
      pixels: pixels!,
      name: `Result: ${original.name} with the content of ${content.name}`,
      parameters: { ...result.parameters[0], ...names, ...mask },
    });
    result.dispose();
    const seconds = ((performance.now() - began) / 1000).toFixed(1);
    stage.say(`Done in ${seconds} s. The inversions are kept, so settings follow quickly.`);
  };
}

/** The same pair at several gammas, as one batch. */
export function stripJob(
  stage: Stage,
  { content, original, gammas, ...asked }: Asked & { content: Picture; original: Picture; gammas: readonly number[] },
  show: (pictures: readonly Pixels[], done: boolean) => void,
): Work {
  return async ({ signal, resume }) => {
    const on = await stage.ready(signal);
    const [c, o] = await inversions(stage, on, [content, original], asked, signal);
    stage.say("Generating the strip.");
    const variants = gammas.map((gamma) => ({ gamma }));
    const onStep = follow(stage, "Generating the strip", 1, 2, (pictures) => show(pictures, false));
    const chosen = parameters(on, asked);
    const result = await on.inject({
      ...chosen,
      content: c!,
      original: o!,
      variants,
      ...running({ signal, resume }),
      onStep,
    });
    show(await result.toPixels(), true);
    result.dispose();
    stage.say("The strip is done. Choose a picture to take its gamma.");
  };
}

/** Every original with every content, one picture after the other; resumed at the picture that was cut short. */
export function gridJob(
  stage: Stage,
  { contents, originals, ...asked }: Asked & { contents: readonly Picture[]; originals: readonly Picture[] },
  show: (row: number, pictures: readonly Pixels[], whole: boolean) => void,
): Work {
  const done: Pixels[] = [];
  const cells = originals.flatMap((original, row) =>
    contents.map((content, column) => ({ row, column, original, content })),
  );
  const rowSoFar = (row: number) => done.slice(row * contents.length, (row + 1) * contents.length);
  return async ({ signal, resume }) => {
    const on = await stage.ready(signal);
    const made = await inversions(stage, on, [...contents, ...originals], asked, signal);
    stage.say("Generating the grid.");
    let unfinished = resume;
    while (done.length < cells.length) {
      const { row, column } = cells[done.length]!;
      const words = `Generating picture ${done.length + 1} of ${cells.length}`;
      const onStep = follow(stage, words, done.length, cells.length, (preview) =>
        show(row, [...rowSoFar(row), ...preview], false),
      );
      const pair = { content: made[column]!, original: made[contents.length + row]! };
      const attempt = running({ signal, resume: unfinished });
      const result = await on.inject({ ...parameters(on, asked), ...pair, ...attempt, onStep });
      unfinished = undefined;
      done.push(...(await result.toPixels()));
      result.dispose();
      show(row, rowSoFar(row), done.length === cells.length);
    }
    stage.say("The grid is done.");
  };
}

/** Every step leaves a copy of x on the host, so that a lost device costs one step. */
const running = ({ signal, resume }: Attempt): RunOptions => ({ signal, snapshotEvery: 1, ...(resume && { resume }) });

/** Shows an event of a run, and now and then the picture it predicts. */
function follow(
  stage: Stage,
  words: string,
  before: number,
  runs: number,
  onPreview: (pictures: readonly Pixels[]) => void,
) {
  let shown = 0;
  return async (event: StepEvent): Promise<void> => {
    const share = (before + event.step / event.steps) / runs;
    stage.progress(share, `${words}, step ${event.step} of ${event.steps} (t = ${event.t})`);
    const now = performance.now();
    if (now - shown < PREVIEW_EVERY && event.step < event.steps) return;
    onPreview(await event.preview());
    shown = performance.now();
  };
}

/** The inversions of these pictures; those not kept yet are made, under the eyes of whoever shows them. */
async function inversions(
  stage: Stage,
  on: Engine,
  pictures: readonly Picture[],
  { settings }: Asked,
  signal: AbortSignal,
) {
  let batch: readonly Picture[] = [];
  const steps = settings.stepsInversion;
  const followed = follow(stage, "Inverting", 0, 2, (previews) => stage.inverting(batch, share, previews));
  let share = 0;
  const onStep = (event: StepEvent) => {
    share = event.step / event.steps;
    stage.inverting(batch, share);
    return followed(event);
  };
  const onBatch = (next: readonly Picture[], done: number) => {
    batch = next;
    const names = next.map((p) => p.name).join(" and ");
    if (done === steps) stage.say(`Bringing the inversion of ${names} back to the GPU.`);
    else stage.say(done > 0 ? `Inverting ${names} on from step ${done}.` : `Inverting ${names}.`);
  };
  const made = await on.invert(pictures, steps, { signal, onStep, onBatch });
  stage.inverted();
  return made;
}

/** Parameters of a run as they were asked for. A mask of another model's grid is left out. */
function parameters(on: Engine, { settings, mask }: Asked): Omit<InjectOptions, "original"> {
  const { stepsInversion: _, ...rest } = settings;
  const side = on.h[1];
  const fits = mask?.length === side * side;
  return { ...rest, ...(fits && { mask: { values: mask, width: side, height: side } }) };
}
