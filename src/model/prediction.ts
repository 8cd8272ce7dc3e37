import type { Prediction } from "./schedule";

/** v = of[0] x + of[1] o, with x the noisy picture and o the network's output. */
export type Form = readonly [ofX: number, ofOutput: number];

/** The predicted x0 and epsilon of an output, at alpha-bar a.   Ho et al. 2020; Salimans & Ho 2022 (v)
 *  A coefficient is infinite where nothing can be told: `sample` at a = 1, `epsilon` at a = 0. */
export function formsOf(prediction: Prediction, a: number): { x0: Form; eps: Form } {
  const [signal, noise] = [Math.sqrt(a), Math.sqrt(1 - a)];
  switch (prediction) {
    case "epsilon":
      return { x0: [1 / signal, -noise / signal], eps: [0, 1] };
    case "sample":
      return { x0: [0, 1], eps: [1 / noise, -signal / noise] };
    case "v_prediction":
      return { x0: [signal, -noise], eps: [noise, signal] };
    default:
      return prediction satisfies never;
  }
}
