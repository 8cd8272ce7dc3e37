import type { InjectParameters, Pixels } from "../api";
import { UserError } from "../errors";
import { inversionOf } from "../inject/inversion-options";
import type { Model } from "../inject/model";
import { towardContent } from "../metrics/edges";
import { paletteDistance } from "../metrics/palette";
import { mean } from "../metrics/statistics";
import { formsOf } from "../model/prediction";
import { alphaBars, onScale } from "../model/schedule";
import type { UNet } from "../model/unet";
import { seeded } from "../random";

/** Effect of injection at one tensor, on average over pairs. */
export interface TapScore {
  readonly tap: string;
  readonly gamma: number;
  /** by how far the edges go to the content's: 0 not at all, 1 all the way */
  readonly moved: number;
  /** where the colours are between the content's (0) and the original's (1) */
  readonly paletteKept: number;
  /** how likely the model finds the results: 1 as the reconstructions, less where it predicts their noise worse */
  readonly qualityKept: number;
  /** product of the three */
  readonly score: number;
}

/** Outputs of the blocks from the bottleneck h on, in order. */
export function decoderTaps({ graph: { nodes }, h }: Pick<UNet, "graph" | "h">): string[] {
  const names = nodes.map(({ output }) => output);
  return names.slice(names.indexOf(h)).filter((name) => names.some((other) => other.startsWith(`${name}.`)));
}

/** Injects every picture's next one into it at every tap and gamma, and scores what comes of it.
 *  @param onDone told of the runs finished
 *  @throws UserError for fewer than two pictures */
export async function scoreTaps(
  model: Model,
  pictures: readonly Pixels[],
  options: {
    readonly taps: readonly string[];
    readonly gammas: readonly number[];
    readonly parameters: InjectParameters;
    readonly signal: AbortSignal;
    readonly onDone?: (runs: number, all: number) => void;
  },
): Promise<TapScore[]> {
  const { taps, gammas, parameters, signal, onDone } = options;
  if (pictures.length < 2) throw new UserError(`${pictures.length} picture: each needs another one for its content`);
  const order = pictures.map((_, i) => i);
  const next = order.map((i) => (i + 1) % pictures.length);
  const scores: TapScore[] = [];
  let plain: { pixels: Pixels[]; error: number[] } | undefined;
  for (const [done, tap] of taps.entries()) {
    const told = (share: number) => onDone?.(done + share, taps.length);
    const inversion = await model.invert(pictures, {
      ...inversionOf(parameters),
      tap,
      signal,
      onStep: ({ step, steps }) => told((0.3 * step) / steps),
    });
    try {
      const seen = await inversion.toPixels();
      if (!plain) {
        using result = await model.reconstruct(inversion, { steps: parameters.steps, signal });
        const pixels = await result.toPixels();
        plain = { pixels, error: await noiseErrors(model, pixels) };
      }
      const { pixels: unedited, error } = plain;
      using result = await model.inject({
        ...parameters,
        content: inversion.select(...next),
        original: inversion.select(...order),
        variants: gammas.map((gamma) => ({ gamma })),
        signal,
        onStep: ({ step, steps }) => told(0.3 + (0.7 * step) / steps),
      });
      const results = await result.toPixels();
      for (const [g, gamma] of gammas.entries()) {
        const own = order.map((i) => results[i * gammas.length + g]!);
        const errors = await noiseErrors(model, own);
        const moved = order.map((i) => {
          const [original, content] = [seen[i]!, seen[next[i]!]!];
          return towardContent(own[i]!, content, original) - towardContent(unedited[i]!, content, original);
        });
        const palette = order.map((i) => {
          const [from, to] = [paletteDistance(own[i]!, seen[i]!), paletteDistance(own[i]!, seen[next[i]!]!)];
          return to / (from + to || 1);
        });
        const quality = order.map((i) => Math.min(1, error[i]! / errors[i]!));
        const [a, b, c] = [mean(moved), mean(palette), mean(quality)];
        scores.push({ tap, gamma, moved: a, paletteKept: b, qualityKept: c, score: Math.max(0, a) * b * c });
      }
    } finally {
      inversion.dispose();
    }
  }
  return scores;
}

/** The best gamma of every tap, best tap first. */
export function rankTaps(scores: readonly TapScore[]): TapScore[] {
  const best = new Map<string, TapScore>();
  for (const score of scores) if (score.score > (best.get(score.tap)?.score ?? -1)) best.set(score.tap, score);
  return [...best.values()].sort((a, b) => b.score - a.score);
}

/** Mean squared error of the predicted noise for each picture, at a tenth of the way to noise: the training loss there, which
 *  is small for what the model has learned to draw. The noise is the same for all. */
async function noiseErrors(model: Model, pictures: readonly Pixels[]): Promise<number[]> {
  const { inChannels: channels, height, width } = model.config;
  const plane = height * width;
  const count = channels * plane;
  const t = Math.floor(onScale(100, model.schedule));
  const a = alphaBars("f64", model.schedule)[t]!;
  const noise = seeded(1, [count]).map((v) => v * Math.sqrt(3)); // uniform, of deviation 1
  const x = new Float32Array(pictures.length * count);
  pictures.forEach(({ data }, n) => {
    for (let i = 0; i < count; i++) {
      const value = data[4 * (i % plane) + Math.min(2, Math.floor(i / plane))]! / 127.5 - 1;
      x[n * count + i] = Math.sqrt(a) * value + Math.sqrt(1 - a) * noise[i]!;
    }
  });
  const { eps: output } = await model.forward(x, t);
  const [ofX, ofOutput] = formsOf(model.schedule.prediction, a).eps;
  const each = output.length / pictures.length; // some networks predict the variance behind the noise
  return pictures.map((_, n) =>
    mean(Array.from(noise, (z, i) => (ofX * x[n * count + i]! + ofOutput * output[n * each + i]! - z) ** 2)),
  );
}
