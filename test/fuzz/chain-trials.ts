import { outputSize } from "../../src/kernels/conv/output-size";
import { type Chain, chainRun } from "../support/conv-chain";
import type { Chance } from "./chance";
import { side } from "./conv-trials";
import type { KernelTrial } from "./kernel-trials";

const MOST_TERMS = 4e5;

/** Values of a group at least: those of fewer may lie close together, and what they round to is magnified. */
const LEAST_GROUP = 16;

type Link = Chain["second"];

/** How a convolution is computed; of stride 2 by parts of 2 x 2. */
function link(c: Chance): Pick<Link, "m" | "stride" | "pad" | "upsample"> {
  if (c.once(4)) return { m: 2, stride: 2, pad: c.one(["same", "asymmetric"] as const) };
  return { m: c.one([2, 4] as const), ...(c.once(4) && { upsample: true }) };
}

/** Two Winograd convolutions with or without group norm between them, merged as on a GPU. */
export function chainTrials(c: Chance): (c: Chance) => KernelTrial {
  const first = c.once(4) ? undefined : link(c);
  const second = link(c);
  const norm = first === undefined || c.once(3) ? true : !c.once(3);
  return (c) => chainTrial(c, first, second, norm);
}

function chainTrial(
  c: Chance,
  first: ReturnType<typeof link> | undefined,
  second: ReturnType<typeof link>,
  norm: boolean,
) {
  for (;;) {
    const n = c.whole(1, 3);
    const cycle = () => c.one([1, 2, 3].filter((m) => n % m === 0));
    const [h, w] = [side(c), side(c)];
    const c1 = 4 * c.whole(1, 10);
    const joined = norm && c.once(2);
    const c2 = joined ? 4 * c.whole(1, 6) : 0;
    const channels = c1 + c2;
    const groups = c.one(
      Array.from({ length: channels }, (_, i) => i + 1).filter(
        (groups) => channels % groups === 0 && (channels / groups) * h * w >= LEAST_GROUP,
      ),
    );
    const c0 = c.whole(1, 24);
    const oc = c.whole(1, 24);
    const [oh, ow] = [h, w].map((size) => outputSize(size, { kernel: 3, ...second })) as [number, number];
    const terms = n * 9 * (first ? c0 * c1 * h * w : 0) + n * 9 * channels * oc * oh * ow;
    if (terms > MOST_TERMS || oh * ow < 1 || (norm && ((h * w) % 4 !== 0 || groups === undefined))) continue;
    if (first?.upsample && (h % 2 === 1 || w % 2 === 1)) continue;
    const after = c.one([{ tembN: cycle() }, { residualN: cycle() }, {}]);
    const chain: Chain = {
      n,
      h,
      w,
      c1,
      ...(first && { first: { ...first, c0, ...after } }),
      ...(joined && { c2, skipN: cycle() }),
      ...(norm && { groups, silu: c.once(2) || joined }),
      ...(norm && !joined && c.once(3) && { filmN: cycle() }),
      second: { ...second, oc },
    };
    const { merged, inputs, y, expected } = chainRun(chain);
    const values = expected()[1];
    return {
      name: `chain ${JSON.stringify(chain)}`,
      dispatches: merged,
      inputs,
      expected: [{ tensor: y, values, rtol: 1e-3, atol: 1e-3 }],
    };
  }
}
