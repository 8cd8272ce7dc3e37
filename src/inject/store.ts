import { DeviceLostError } from "../errors";
import { Buffers, readBuffer } from "../gpu/buffers";
import type { Device } from "../gpu/device";
import { Life } from "../gpu/life";

type Contents = ReadonlyMap<string, Float32Array<ArrayBuffer>>;

/** The tensors a run leaves behind, f32 [count, ...]: of an inversion `images`, `x_T` and `h.<t>`, which its selections
 *  share; of a generation `x`. */
export class Store {
  readonly life: Life;
  #buffers: Buffers;
  /** the tensors' values on the host, once `keep` has read them */
  #saved: Contents | undefined;
  #restoring: Promise<Buffers> | undefined;
  readonly times: number[];

  /** @param what it is, and what to do when it is gone: "this result", "run again" */
  constructor(
    buffers: Buffers,
    readonly count: number,
    readonly what = { name: "this inversion", cure: "invert the picture again" },
  ) {
    this.#buffers = buffers;
    this.times = buffers.names
      .filter((name) => name.startsWith("h."))
      .map((name) => Number(name.slice(2)))
      .sort((a, b) => a - b);
    this.life = new Life(`${what.name} was disposed; ${what.cure}`, () => {
      this.#buffers.destroy();
      this.#saved = undefined;
    });
  }

  static async upload(device: Device, count: number, contents: Contents, what?: Store["what"]): Promise<Store> {
    return new Store(await uploaded(device, contents), count, what);
  }

  get device(): Device {
    return this.#buffers.device;
  }

  /** The tensors, uploaded again if their device was lost and `keep` has saved them. @throws DeviceLostError otherwise */
  async buffers(): Promise<Buffers> {
    if (this.#buffers.gpu === this.device.gpu && !this.device.gone) return this.#buffers;
    const saved = this.#saved;
    if (!saved) throw new DeviceLostError(`${this.what.name} was lost with its device; ${this.what.cure}`);
    this.#restoring ??= this.#restore(saved).finally(() => (this.#restoring = undefined));
    const restored = await this.#restoring;
    if (this.#buffers !== restored) {
      this.#buffers.destroy();
      this.#buffers = restored;
    }
    return restored;
  }

  async #restore(saved: Contents): Promise<Buffers> {
    await this.device.reopen();
    return uploaded(this.device, saved);
  }

  /** Copies everything to the host, so that it outlives the device. */
  async keep(): Promise<void> {
    if (this.#saved) return;
    const buffers = await this.buffers();
    const contents = new Map<string, Float32Array<ArrayBuffer>>();
    for (const name of buffers.names)
      contents.set(name, new Float32Array(await readBuffer(this.device, buffers.get(name)!)));
    this.#saved = contents;
  }
}

async function uploaded(device: Device, contents: Contents): Promise<Buffers> {
  const buffers = new Buffers(device);
  try {
    for (const [name, values] of contents) buffers.upload(name, values);
    await buffers.ready();
    return buffers;
  } catch (error) {
    buffers.destroy();
    throw error;
  }
}
