import { f32, type Tensor, u32 } from "../../src/kernels/dispatch";
import { PLACEMENT_FLOATS, placementData, resample } from "../../src/kernels/pointwise/resample";
import { timeEmbedding } from "../../src/kernels/pointwise/time-embedding";
import { linear } from "../../src/kernels/product/linear";
import { mix } from "../../src/kernels/step/mix";
import { MIX, type MixRule, STEP, STEP_FLOATS } from "../../src/kernels/step/step-row";
import { type Check, type Made, type Manifest, Roles, type Subcase, type Values } from "./roles";

const SIN_COS = { order: "sin-cos", shift: 1 } as const;
const COS_SIN = { order: "cos-sin", shift: 0 } as const;

/** `raw.gammaG`, `norm.gammaG`, `mask.gammaG`: the official slerp, norm-matched slerp, and slerp inside a mask. */
export function* slerpChecks(manifest: Manifest, tensors: ReadonlyMap<string, Values>): Iterable<Made> {
  const rules: Record<string, MixRule> = { raw: "slerpRaw", norm: "slerp", mask: "slerpRaw" };
  const wanted = [...tensors.keys()].filter((name) => /^(raw|norm|mask)\.gamma/.test(name));
  for (const name of wanted) {
    const [kind] = name.split(".") as [string];
    const roles = { h: "h", content: "delta_h", y: name, mask: "mask" };
    const tolerance = manifest.tolerance === undefined ? {} : { tolerance: manifest.tolerance };
    const r = new Roles({ id: name, tensors: roles, ...tolerance }, tensors);
    try {
      const h = r.input("h");
      const [n, , height, width] = h.shape as [number, number, number, number];
      const given = Number(name.slice(name.indexOf("gamma") + 5));
      const listed = manifest.subcases?.find((s) => s.gamma === given)?.effective_gamma;
      const row = new Float32Array(STEP_FLOATS);
      row[STEP.GAMMA] = typeof listed === "number" ? listed : given;
      row[STEP.RULE] = MIX[rules[kind]!];
      const steps = r.given("steps", Array.from({ length: n }, () => [...row]).flat(), n, STEP_FLOATS);
      const mask = kind === "mask" ? { mask: r.input("mask", r.values("mask").shape[0]!, height, width) } : {};
      const y = f32("out", ...h.shape);
      yield r.check(mix({ steps, h, content: r.input("content"), ...mask, y }, { slot: 0 }), y);
    } catch (error) {
      yield { id: name, error: (error as Error).message };
    }
  }
}

/** `ddpm.dimD` and `adm.dimD` at the time steps `t`; `get_temb.MODEL`: with the time layers of that model's weights. */
export async function* embeddingChecks(
  tensors: ReadonlyMap<string, Values>,
  load?: (file: string) => Promise<ReadonlyMap<string, Values>>,
): AsyncIterable<Made> {
  for (const name of tensors.keys()) {
    if (name === "t") continue;
    const [kind, what] = [name.slice(0, name.indexOf(".")), name.slice(name.indexOf(".") + 1)];
    const r = new Roles({ id: name, tensors: { t: "t", y: name } }, tensors);
    try {
      const times = [...r.values("t").data];
      const rows = times.flatMap((t) => [t, ...new Array<number>(STEP_FLOATS - 1).fill(0)]);
      const steps = r.given("steps", rows, times.length, STEP_FLOATS);
      if (kind === "ddpm" || kind === "adm") {
        const y = f32("out", ...r.values("y").shape);
        yield r.check(timeEmbedding({ steps, y }, kind === "ddpm" ? SIN_COS : COS_SIN), y);
      } else if (kind === "get_temb" && load) {
        yield timeLayers(r, steps, await load(`${what}.weights.safetensors`));
      } else yield { id: name, error: `nothing known about "${kind}"${load ? "" : ", or no weights to load"}` };
    } catch (error) {
      yield { id: name, error: (error as Error).message };
    }
  }
}

function timeLayers(r: Roles, steps: Tensor, weights: ReadonlyMap<string, Values>): Check {
  const layer = (i: number) => {
    const [weight, bias] = [weights.get(`temb.dense.${i}.weight`), weights.get(`temb.dense.${i}.bias`)];
    if (!weight || !bias) throw new Error(`the weights have no temb.dense.${i}`);
    return {
      weight: r.given(`weight${i}`, weight.data, ...weight.shape),
      bias: r.given(`bias${i}`, bias.data, ...bias.shape),
    };
  };
  const [first, second] = [layer(0), layer(1)];
  const n = steps.shape[0]!;
  const embedding = f32("embedding", n, first.weight.shape[1]!);
  const hidden = f32("hidden", n, first.weight.shape[0]!);
  const y = f32("out", n, second.weight.shape[0]!);
  return r.check(
    [
      ...timeEmbedding({ steps, y: embedding }, SIN_COS),
      ...linear({ x: embedding, ...first, y: hidden }, { siluOut: true }),
      ...linear({ x: hidden, ...second, y }),
    ],
    y,
  );
}

/** Centre crop and antialiased resize of u8 pictures, within one 8-bit level: 2/255, and f32 rounding. */
export function* preprocessChecks(manifest: Manifest, tensors: ReadonlyMap<string, Values>): Iterable<Made> {
  for (const subcase of manifest.subcases ?? []) {
    const { id } = subcase;
    const r = new Roles({ id, tensors: { u8: `${id}.u8`, y: `${id}.y` } }, tensors);
    try {
      const { width, height, size, crop, left, top } = subcase as unknown as Record<string, number> & Subcase;
      const matrix = [crop! / size!, 0, 0, 0, 0, crop! / size!, 0, 0, left!, top!, 1, 0];
      const window = [left!, top!, left! + crop!, top! + crop!] as const;
      const picture = { matrix, window, width: width!, height: height! };
      const placement = r.given("placement", placementData(picture), PLACEMENT_FLOATS);
      const image = u32("image", height!, width!);
      const bytes = r.values("u8").data;
      const plane = width! * height!;
      r.inputs.set(
        image,
        Uint32Array.from(
          { length: plane },
          (_, i) => bytes[i]! | (bytes[plane + i]! << 8) | (bytes[2 * plane + i]! << 16),
        ),
      );
      const y = f32("out", 1, ...r.values("y").shape);
      const tolerance = subcase.tolerance ?? manifest.tolerance ?? 2 / 255 + 1e-6;
      yield r.check(resample({ image, placement, y }), y, "y", { tolerance, absolute: true });
    } catch (error) {
      yield { id, error: (error as Error).message };
    }
  }
}
