import type { RunOptions } from "../../src/api";
import { type LoadOptions, loadModel } from "../../src/node";
import { seeded } from "../../src/random";

export const TRAINED_SIDE = 32;

/** The small trained network, loaded as a user loads a file, from the repository's root. */
export const loadTrained = (options: LoadOptions = {}) =>
  loadModel("test/golden/ddpm_tiny_trained.weights.safetensors", {
    resolution: TRAINED_SIDE,
    ...options,
  });

/** A picture for it, another for every seed. */
export const pictureOf = (seed: number) => ({
  tensor: seeded(seed, [3, TRAINED_SIDE, TRAINED_SIDE]).map((v) => Math.tanh(v)),
});

/** Calls `then` when a run reports this step. */
export const at = (step: number, then: () => void): RunOptions["onStep"] => {
  let done = false;
  return (event) => {
    if (event.step !== step || done) return;
    done = true;
    then();
  };
};
