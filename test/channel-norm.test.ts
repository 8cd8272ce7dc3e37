import { expect, test } from "vitest";
import { f32 } from "../src/kernels/dispatch";
import { channelNorm } from "../src/kernels/norm/channel-norm";
import * as reference from "../src/reference";
import { expectClose, seeded } from "./support/close";
import { runDispatches } from "./support/device";

const cases = [
  { shape: [1, 1, 1, 1], kind: "rms" },
  { shape: [2, 12, 5, 7], kind: "rms", silu: true }, // odd plane, batch of two
  { shape: [2, 12, 5, 7], kind: "layer" },
  { shape: [3, 20, 4, 4], kind: "rms", film: 1, silu: true, residual: 3 },
  { shape: [4, 33, 6, 6], kind: "layer", film: 2, residual: 1 },
  { shape: [1, 260, 8, 8], kind: "rms", residual: 1 },
  { shape: [1, 6, 3, 43], kind: "layer", silu: true }, // more pixels than a tile has, and not whole tiles
  { shape: [2, 7, 9, 5], kind: "layer", offset: 1000 }, // a mean far from 0
  { shape: [1, 5, 2, 2], kind: "rms", zero: true }, // nothing but zeros
] as const;

for (const given of cases)
  for (const adapterClass of ["software", "gpu"] as const)
    test(`channel norm ${JSON.stringify(given)}: ${adapterClass}`, async () => {
      const {
        shape,
        kind,
        silu = false,
        film = 0,
        residual = 0,
        offset = 0,
        zero = false,
      } = {
        silu: false,
        film: 0,
        residual: 0,
        offset: 0,
        zero: false,
        ...given,
      };
      const [, c, h, w] = shape;
      const [x, gamma, y] = [f32("x", ...shape), f32("gamma", 1, c, 1, 1), f32("y", ...shape)];
      const columns = { tensor: f32("film", film || 1, 2 * c + 5), offset: 3 };
      const added = f32("residual", residual || 1, c, h, w);
      const data = new Map([
        [x, seeded(1, shape).map((v) => (zero ? 0 : v + offset))],
        [gamma, seeded(2, [c])],
        ...(film ? [[columns.tensor, seeded(3, columns.tensor.shape)] as const] : []),
        ...(residual ? [[added, seeded(4, added.shape)] as const] : []),
      ]);
      const io = { x, gamma, y, film: film ? columns : undefined, residual: residual ? added : undefined };
      const [found] = await runDispatches(channelNorm(io, { kind, silu }, { adapterClass }), data, [y]);
      const expected = reference.channelNorm(data.get(x)!, data.get(gamma)!, shape, {
        kind,
        silu,
        ...(film && { film: { data: data.get(columns.tensor)!, samples: film, offset: 3 } }),
        ...(residual && { residual: { data: data.get(added)!, samples: residual } }),
      });
      expectClose(found!, expected, shape, { rtol: 1e-5, atol: offset ? 1e-3 : 3e-6 });
    });

test("channel norm refuses what does not fit", () => {
  const io = { x: f32("x", 2, 6, 2, 2), gamma: f32("gamma", 6), y: f32("y", 2, 6, 2, 2) };
  const on = { adapterClass: "gpu" } as const;
  expect(() => channelNorm({ ...io, gamma: f32("gamma", 5) }, { kind: "rms" }, on)).toThrow(
    "gamma: shape [5], expected 6 values",
  );
  expect(() => channelNorm({ ...io, residual: f32("r", 3, 6, 2, 2) }, { kind: "rms" }, on)).toThrow(
    "r: 3 samples do not divide 2 evenly",
  );
  const film = { tensor: f32("film", 1, 12), offset: 1 };
  expect(() => channelNorm({ ...io, film }, { kind: "rms" }, on)).toThrow("expected 12 columns from 1 on");
});
