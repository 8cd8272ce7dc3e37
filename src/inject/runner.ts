import type { RunOptions } from "../api";
import { DeviceLostError, UserError } from "../errors";
import { Buffers } from "../gpu/buffers";
import { duringAll, Life } from "../gpu/life";
import type { Network } from "../model/network";
import { execute, type Given } from "./execute";
import type { RunPlan } from "./plan";
import type { Store } from "./store";

/** Steps between the snapshots of a run that recovers by itself. */
const SNAPSHOT_EVERY = 10;

/** Devices lost one after another without a step in between, before a run gives up. */
const MOST_LOSSES = 3;

/** A network, and where it comes from when its device is lost. */
export interface NetworkOrigin {
  /** Loads the same network again. */
  readonly reload?: () => Promise<Network>;
  /** Whether runs recover unless they say otherwise. */
  readonly recover?: boolean;
  /** Frees what the network alone was opened with. */
  readonly close?: () => void;
}

/** Work before and after a plan: both functions are called again when the run recovers on a new device. */
export interface Job<T> {
  /** inversions whose tensors are given */
  readonly stores: readonly Store[];
  /** Puts the given tensors on the GPU. @param own buffers that are freed after the run */
  given(own: Buffers): Promise<Given>;
  /** Takes the kept tensors over. @param keep copies a store to the host, where the run recovers */
  finish(kept: Buffers, own: Buffers, keep: (store: Store) => Promise<void>): Promise<T>;
}

/** Runs plans on a network, which lives until it was disposed of and its last run has ended. */
export class Runner {
  readonly life: Life;
  #network: Network;
  #reviving: Promise<void> | undefined;

  constructor(
    network: Network,
    readonly origin: NetworkOrigin = {},
  ) {
    this.#network = network;
    this.life = new Life("this model was disposed; load it again", () => {
      this.#network.destroy();
      origin.close?.();
    });
  }

  get network(): Network {
    return this.#network;
  }

  /** Runs a plan, on a new device again whenever this one is lost and the run recovers.
   *  @throws as `execute`; UserError when the model or a store was disposed */
  run<T>(plan: RunPlan, job: Job<T>, options: RunOptions): Promise<T> {
    const lives = [this.life, ...new Set(job.stores.map(({ life }) => life))];
    return duringAll(lives, () =>
      (options.recover ?? this.origin.recover) ? this.#recovering(plan, job, options) : this.#once(plan, job, options),
    );
  }

  async #once<T>(plan: RunPlan, job: Job<T>, options: RunOptions, recovers = false): Promise<T> {
    const { device, weights } = this.#network;
    device.check();
    if (weights.gpu !== device.gpu) throw new DeviceLostError("the model was lost with its device; load it again");
    const own = new Buffers(device);
    try {
      const kept = await execute(this.#network, plan, await job.given(own), options);
      try {
        return await job.finish(kept, own, async (store) => {
          if (recovers) await store.keep();
        });
      } catch (error) {
        kept.destroy();
        throw error;
      }
    } finally {
      own.destroy();
    }
  }

  async #recovering<T>(plan: RunPlan, job: Job<T>, options: RunOptions): Promise<T> {
    const { device } = this.#network;
    if (!device.reopens || !this.origin.reload)
      throw new UserError("recover: only a device that the engine opened itself can be opened again; use openDevice()");
    let { resume } = options;
    let losses = 0;
    const onSnapshot: RunOptions["onSnapshot"] = (snapshot) => {
      resume = snapshot;
      losses = 0;
      options.onSnapshot?.(snapshot);
    };
    for (;;) {
      try {
        await this.#revive();
        await Promise.all(job.stores.map((store) => store.keep()));
        const asked = { snapshotEvery: SNAPSHOT_EVERY, ...options, onSnapshot, ...(resume && { resume }) };
        return await this.#once(plan, job, asked, true);
      } catch (error) {
        if (!(error instanceof DeviceLostError) || !device.reopens || ++losses > MOST_LOSSES) throw error;
      }
    }
  }

  /** Opens the device again if it was lost, and loads the network onto it. */
  async #revive(): Promise<void> {
    const { device } = this.#network;
    await device.reopen();
    if (this.#network.weights.gpu === device.gpu) return;
    this.#reviving ??= this.origin.reload!()
      .then((network) => {
        this.#network.destroy();
        this.#network = network;
      })
      .finally(() => {
        this.#reviving = undefined;
      });
    await this.#reviving;
  }
}
