import { withHooks } from "../../src/inject/hooks";
import { Inversion } from "../../src/inject/inversion";
import type { Model } from "../../src/inject/model";
import { Store } from "../../src/inject/store";
import { psnrOfValues } from "../../src/metrics/psnr";
import { hShape } from "../../src/model/config";
import type { NetworkOptions } from "../../src/model/network";
import { timeSteps } from "../../src/model/schedule";
import { allowed, compare } from "./compare";
import type { CaseResult, Values } from "./kernels";

/** Absolute, in [-1, 1]. */
const TOLERANCE = 2e-3;

/** How near, in dB, results of tiny networks in ten steps come where f16 is stored. The shipped model comes nearer:
 *  test/activations.test.ts. */
const PSNR_IN_F16 = 40;

/** Inverts the recorded pictures as one batch, and compares x_T and every h of the content's bank. */
export async function* runInversion(
  model: Model,
  bankKeys: readonly number[],
  tensors: ReadonlyMap<string, Values>,
  options: NetworkOptions,
): AsyncGenerator<CaseResult> {
  const tolerance = allowed(TOLERANCE, options);
  const top = Math.max(...[...tensors.keys()].map((k) => Number(/\.x_t(\d+)$/.exec(k)?.[1] ?? 0)));
  const pictures = ["content", "style"].map((who) => ({ tensor: tensors.get(`${who}.x0`)!.data }));
  using inversion = await model.invert(pictures, { steps: bankKeys.length + 1, top, faithful: true });
  const times = inversion.times;
  yield {
    id: "bank keys",
    ok: `${times}` === `${bankKeys}`,
    worstAbs: 0,
    worstRel: 0,
    tolerance: 0,
    ...(`${times}` !== `${bankKeys}` && { reason: `[${times}], expected [${bankKeys}]` }),
  };
  const xT = await inversion.readXT();
  for (const [n, who] of ["content", "style"].entries()) {
    const half = xT.subarray((n * xT.length) / 2, ((n + 1) * xT.length) / 2);
    yield compare(`${who}.x_t${top}`, half, tensors.get(`${who}.x_t${top}`)!, tolerance, true);
  }
  for (const t of times) {
    const expected = tensors.get(`bank.h_t${t}`);
    if (!expected) continue;
    const h = await inversion.readH(t);
    yield compare(`bank.h_t${t}`, h.subarray(0, h.length / 2), expected, tolerance, true);
  }
}

/** The arguments of the official program, as manifests give them. */
export interface OfficialArguments {
  readonly t_0: number;
  readonly t_edit: number;
  readonly t_noise: number;
  readonly dt_lambda: number;
  readonly dt_end: number;
  readonly use_mask: boolean;
  readonly n_inv_step: number;
  readonly n_gen_step: number;
  readonly gamma: number;
  readonly content_replace_step: number;
  readonly omega: number;
}

/** Generates from the recorded x_T with the recorded bank, in faithful mode, and compares the final picture. */
export async function* runGeneration(
  model: Model,
  args: OfficialArguments,
  tensors: ReadonlyMap<string, Values>,
  inverted: ReadonlyMap<string, Values>,
  network: NetworkOptions,
): AsyncGenerator<CaseResult> {
  const shape = hShape(model.config);
  const xT = new Float32Array(tensors.get("x_T")!.data);
  const stored = new Map([
    ["images", xT],
    ["x_T", xT],
  ]);
  for (const [name, { data }] of inverted) {
    const t = /^bank\.h_t(\d+)$/.exec(name)?.[1];
    if (t !== undefined) stored.set(`h.${t}`, new Float32Array(data));
  }
  const info = {
    model: model.hash,
    steps: args.n_inv_step,
    top: args.t_0,
    faithful: true,
    picture: model.pictureShape,
    h: shape,
    sources: [undefined],
    tap: model.network.unet(1).h,
  };
  using content = Inversion.of(info, await Store.upload(model.device, 1, stored));
  const options = {
    content,
    original: content,
    gamma: args.gamma,
    tEdit: args.t_edit,
    tBoost: args.t_noise,
    omega: args.omega === 0 ? "off" : args.omega,
    dtLambda: args.dt_lambda,
    dtEnd: args.dt_end,
    top: args.t_0,
    steps: args.n_gen_step,
    replaceSteps: args.content_replace_step > 0 ? args.content_replace_step : undefined,
    faithful: true,
    ...(args.use_mask && { mask: "official" as const }),
  } as const;
  const noise = (k: number) => tensors.get(`noise.${String(k).padStart(2, "0")}`)?.data ?? zeros(xT.length);
  using result = await model.inject(withHooks(options, { noise }));
  const final = tensors.get("x0_final") ?? tensors.get(`x.${timeSteps(args.n_gen_step).length - 1}`)!;
  const found = await result.read();
  if (typeof allowed(TOLERANCE, network) !== "number")
    return yield atLeast("x0_final", psnrOfValues(final.data, found), PSNR_IN_F16);
  yield compare("x0_final", found, final, TOLERANCE, true);
  const level = (v: number) => Math.round(Math.min(1, Math.max(-1, v)) * 127.5 + 127.5);
  const off = final.data.reduce((worst, v, i) => Math.max(worst, Math.abs(level(v) - level(found[i]!))), 0);
  yield { id: "8-bit picture", ok: off <= 1, worstAbs: off, worstRel: off / 255, tolerance: 1 };
}

function atLeast(id: string, db: number, tolerance: number): CaseResult {
  const ok = db >= tolerance;
  return {
    id,
    ok,
    worstAbs: 0,
    worstRel: 0,
    tolerance,
    ...(!ok && { reason: `${db.toFixed(1)} dB, expected ${tolerance}` }),
  };
}

const zeros = (n: number): Float32Array => new Float32Array(n);
