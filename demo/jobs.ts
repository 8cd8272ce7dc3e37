import type { DirectionInput, InjectOptions, Pixels, RunOptions, StepEvent } from "../src/browser";
import type { DirectionsAsked } from "./directions";
import type { Engine } from "./engine";
import { type Work as Amount, about, type Estimate } from "./estimate";
import type { GridPair } from "./grid";
import type { Picture } from "./pictures";
import { inversionWay, type Settings } from "./settings";
import type { Attempt, Work } from "./tasks";

/** Milliseconds between previews: reading one back costs a little. */
const PREVIEW_EVERY = 120;

/** Inputs of a job, read from the page once. */
export interface Asked {
  readonly settings: Settings;
  /** values of the h grid row by row */
  readonly mask: readonly number[] | undefined;
  readonly directions: DirectionsAsked | undefined;
}

/** A finished picture and all it was made with. */
export interface Made {
  readonly pixels: Pixels;
  /** undefined where directions acted alone */
  readonly content: Picture | undefined;
  readonly original: Picture;
  /** the original's square as the network saw it */
  readonly before: Pixels;
  readonly asked: Asked;
  readonly parameters: Readonly<Record<string, unknown>>;
}

/** Where jobs show what they do. */
export interface Stage {
  readonly estimate: Estimate;
  ready(signal: AbortSignal): Promise<Engine>;
  say(text: string): void;
  progress(share: number, text: string): void;
  /** pictures whose inversion is under way: how far, and what the model predicts of them */
  inverting(pictures: readonly Picture[], share: number, previews?: readonly Pixels[]): void;
  inverted(): void;
}

/** The whole method: invert what is not inverted, then generate. Without a content directions act alone. */
export function injectJob(
  stage: Stage,
  { content, original, ...asked }: Asked & { readonly content: Picture | undefined; readonly original: Picture },
  show: { original(pixels: Pixels): void; preview(pixels: Pixels): void; done(made: Made): void },
): Work {
  return async ({ signal, resume }) => {
    const began = performance.now();
    const on = await stage.ready(signal);
    const [o, c] = await inversions(stage, on, content ? [original, content] : [original], asked, signal);
    stage.say(resume ? `Generating on from step ${resume.step}.` : "Generating.");
    const [before] = await o!.toPixels();
    show.original(before!);
    const onStep = follow(stage, "Generating", { before: 1, runs: 2 }, ([preview]) => show.preview(preview!));
    const chosen = await parameters(on, asked);
    const pair = { original: o!, ...(c && { content: c }) };
    const result = await on.inject({ ...chosen, ...pair, ...running({ signal, resume }), onStep });
    const [pixels] = await result.toPixels();
    const { model, modelHash, ...made } = result.parameters[0]!;
    show.done({
      pixels: pixels!,
      content,
      original,
      before: before!,
      asked,
      parameters: {
        command: "demo",
        model,
        hash: modelHash,
        preset: asked.settings.preset,
        ...made,
        original: original.file,
        contents: content ? [content.file] : [],
        ...(original.square && { originalSquare: original.square }),
        ...(content?.square && { contentSquares: [content.square] }),
        ...(chosen.mask && { mask: asked.mask }),
        ...(asked.directions && {
          directions: chosen.directions!.map(({ component, scale }) => ({
            file: asked.directions!.file.name,
            component: component! + 1,
            scale,
          })),
        }),
      },
    });
    result.dispose();
    const seconds = ((performance.now() - began) / 1000).toFixed(1);
    stage.say(
      `Done in ${seconds} s. ${content ? "Both pictures stay" : "It stays"} inverted, so new settings take less.`,
    );
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
    const { length: pictures } = gammas;
    const onStep = follow(stage, "Generating the strip", { before: 1, runs: 2, pictures }, (all) => show(all, false));
    const chosen = await parameters(on, asked);
    const attempt = running({ signal, resume });
    const result = await on.inject({ ...chosen, content: c!, original: o!, variants, ...attempt, onStep });
    show(await result.toPixels(), true);
    result.dispose();
    stage.say("The strip is done. Choose a picture to take its gamma.");
  };
}

/** Pairs of the grid, one after the other; resumed at the picture that was cut short. */
export function gridJob(
  stage: Stage,
  { pairs, ...asked }: Asked & { readonly pairs: readonly GridPair[] },
  show: (pair: GridPair, pixels: Pixels, done: boolean) => void,
): Work {
  let done = 0;
  return async ({ signal, resume }) => {
    const on = await stage.ready(signal);
    const pictures = pairs.flatMap(({ content, original }) => [content, original]);
    const made = await inversions(stage, on, pictures, asked, signal);
    stage.say("Generating the grid.");
    let unfinished = resume;
    while (done < pairs.length) {
      const pair = pairs[done]!;
      const words = `Generating picture ${done + 1} of ${pairs.length}`;
      const onStep = follow(stage, words, { before: done, runs: pairs.length }, ([preview]) =>
        show(pair, preview!, false),
      );
      const inputs = { content: made[2 * done]!, original: made[2 * done + 1]! };
      const attempt = running({ signal, resume: unfinished });
      const result = await on.inject({ ...(await parameters(on, asked)), ...inputs, ...attempt, onStep });
      unfinished = undefined;
      done++;
      show(pair, (await result.toPixels())[0]!, true);
      result.dispose();
    }
    stage.say("The grid is done.");
  };
}

/** Every step leaves a copy of x on the host, so that a lost device costs one step. */
const running = ({ signal, resume }: Attempt): RunOptions => ({ signal, snapshotEvery: 1, ...(resume && { resume }) });

/** Place of a run in its job: runs before it and in all, pictures in its batch, and work of another kind after it. */
interface Around {
  readonly before: number;
  readonly runs: number;
  readonly pictures?: number;
  readonly kind?: Amount["kind"];
  readonly after?: readonly Amount[];
}

/** Follows a run: shows each step, the time left, and now and then the picture it predicts. */
function follow(
  stage: Stage,
  words: string,
  { before, runs, pictures = 1, kind = "generate", after = [] }: Around,
  onPreview: (pictures: readonly Pixels[]) => void,
) {
  const { estimate } = stage;
  let shown = 0;
  if (!estimate.knows(kind)) stage.progress(before / runs, `${words}: compiling shaders, once…`);
  estimate.begin();
  return async ({ step, steps, t, preview }: StepEvent): Promise<void> => {
    const now = performance.now();
    estimate.step(kind, pictures, now);
    const rest = kind === "generate" && runs > 2 ? runs - before - 1 : 0;
    const left = estimate.seconds([{ kind, steps: steps - step + rest * steps, pictures }, ...after]);
    const time = left !== undefined && left > 2 ? `, about ${about(left)} left` : "";
    stage.progress((before + step / steps) / runs, `${words}, step ${step} of ${steps} (t = ${t})${time}`);
    if (now - shown < PREVIEW_EVERY && step < steps) return;
    onPreview(await preview());
    shown = performance.now();
  };
}

/** The inversions of these pictures; those not kept yet are made while the page shows how far they are. */
async function inversions(
  stage: Stage,
  on: Engine,
  pictures: readonly Picture[],
  { settings }: Asked,
  signal: AbortSignal,
) {
  let followed: ((event: StepEvent) => Promise<void>) | undefined;
  let batch: readonly Picture[] = [];
  let share = 0;
  const way = inversionWay(settings);
  const onStep = (event: StepEvent) => {
    share = event.step / event.steps;
    stage.inverting(batch, share);
    return followed?.(event);
  };
  const onBatch = (next: readonly Picture[], done: number) => {
    batch = next;
    const names = next.map((p) => p.name).join(" and ");
    followed = undefined;
    if (done === way.steps) return stage.say(`Bringing the inversion of ${names} back to the GPU.`);
    stage.say(done > 0 ? `Inverting ${names} on from step ${done}.` : `Inverting ${names}.`);
    const after = [{ kind: "generate", steps: settings.steps, pictures: 1 }] as const;
    const around = { before: 0, runs: 2, pictures: next.length, kind: "invert", after } as const;
    followed = follow(stage, "Inverting", around, (previews) => stage.inverting(batch, share, previews));
  };
  const made = await on.invert(pictures, way, { signal, onStep, onBatch });
  stage.inverted();
  return made;
}

/** Parameters of a run as they were asked for. A mask of another model's grid is left out. Directions follow the mask. */
async function parameters(
  on: Engine,
  { settings, mask, directions }: Asked,
): Promise<Omit<InjectOptions, "original" | "content">> {
  const { stepsInversion: _, ...rest } = settings;
  const side = on.h[1];
  const fits = mask?.length === side * side;
  return {
    ...rest,
    ...(fits && { mask: { values: mask, width: side, height: side } }),
    ...(directions && { directions: await applied(on, directions) }),
  };
}

/** The directions that move something; alone and all at 0, one of them, for a run needs something to add. */
async function applied(on: Engine, { file, scales }: DirectionsAsked): Promise<DirectionInput[]> {
  const of = await on.directions(file);
  const all = scales.map((scale, component) => ({ of, component, scale }));
  const moving = all.filter(({ scale }) => scale !== 0);
  return moving.length > 0 ? moving : all.slice(0, 1);
}
