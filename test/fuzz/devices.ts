import type { Device } from "../../src/gpu/device";
import { openDevice } from "../../src/gpu/open-node";
import { openWatched } from "../support/bounds";

/** A way to run kernels, with what it noticed. */
export interface Bench {
  readonly name: string;
  readonly device: Device;
  /** With bounds checks, and every access counted that is outside. */
  readonly watched: boolean;
  /** Accesses outside of a tensor since the last call; 0 where nobody watches. */
  outside(): Promise<number>;
}

let opened: Promise<readonly Bench[]> | undefined;

/** The adapter as users have it; and with bounds checks and a watcher, where nothing can be destroyed. Opened once. */
export function benches(): Promise<readonly Bench[]> {
  opened ??= open();
  return opened;
}

async function open(): Promise<readonly Bench[]> {
  const device = await openDevice(); // makes the software adapter known where there is no other
  const watched = await openWatched();
  return [
    { name: "checked and watched", watched: true, ...watched },
    { name: "as it is", watched: false, device, outside: async () => 0 },
  ];
}

export async function closeBenches(): Promise<void> {
  for (const { device } of (await opened) ?? []) {
    device.destroy();
    device.gpu.destroy();
  }
  opened = undefined;
}
