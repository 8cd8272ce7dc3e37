import { test } from "vitest";
import { testDevice } from "./support/device";
import { expectCase, goldenCases } from "./support/golden-cases";

// Forwards and whole runs of networks of every family, stored in f16.
const networks = goldenCases.filter(([name]) => /^(ddpm_tiny|adm_|traj_|luc_v2|unet_)/.test(name));

test.each(networks)("golden, weights in f16: %s", { timeout: 600_000 }, (name, from) =>
  expectCase(name, from, { dtype: "f16" }),
);

test.for(networks)(
  "golden, weights and activations in f16: %s",
  { timeout: 600_000 },
  async ([name, from], { skip }) => {
    skip(!(await testDevice()).has("shader-f16"), "this adapter lacks shader-f16");
    await expectCase(name, from, { dtype: "f16", activations: "f16" });
  },
);
