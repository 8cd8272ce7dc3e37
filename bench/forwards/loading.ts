import type { Device } from "../../src/gpu/device";
import type { ModelCheckpoint } from "../../src/model/checkpoint/model";
import { Network, type NetworkOptions } from "../../src/model/network";

/** From an open file to weights on the device. */
export interface LoadResult {
  readonly network: string;
  readonly parameters: number;
  readonly weightBytes: number;
  /** with tuning, where it was asked for */
  readonly loadMs: number;
  /** most memory of this process over that before; with the weights, where the adapter is this processor */
  readonly loadPeakBytes: number;
}

/** Milliseconds between two looks at the memory. */
const LOOK_EVERY = 5;

/** Loads a network, and looks at the memory of the process meanwhile. */
export async function measureLoading(
  device: Device,
  name: string,
  checkpoint: ModelCheckpoint,
  options: NetworkOptions,
): Promise<{ network: Network; loading: LoadResult }> {
  const before = process.memoryUsage.rss();
  let peak = before;
  const look = () => {
    peak = Math.max(peak, process.memoryUsage.rss());
  };
  const timer = setInterval(look, LOOK_EVERY);
  const began = performance.now();
  try {
    const network = await Network.load(checkpoint, device, options);
    const loadMs = performance.now() - began;
    look();
    const { parameters, weights } = network;
    const loading = { network: name, parameters, weightBytes: weights.bytes, loadMs, loadPeakBytes: peak - before };
    return { network, loading };
  } finally {
    clearInterval(timer);
  }
}
