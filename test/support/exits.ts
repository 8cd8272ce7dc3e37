// Run by test/at-exit.test.ts: exits while pipelines are being compiled, says in which order what happened.

import { openDevice } from "../../src/gpu/open-node";
import { kernelTrial } from "../fuzz/kernel-trials";

const device = await openDevice();
const { gpu } = device;
const destroy = gpu.destroy.bind(gpu);
gpu.destroy = () => {
  console.log(`destroyed while ${compiling} compile`);
  destroy();
};
let compiling = 0;
for (const trial of [20, 40, 60, 80])
  for (const dispatch of kernelTrial(1, trial).dispatches) {
    compiling++;
    device.pipelines.get(dispatch).then(
      () => compiling--,
      () => compiling--,
    );
  }
process.on("exit", () => console.log("exit"));
if (process.argv[2] === "idle") while (compiling > 0) await new Promise((resolve) => setTimeout(resolve, 10));
if (process.argv[2] === "disposed") device.dispose();
process.exit(7);
