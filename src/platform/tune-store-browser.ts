import { type Folder, privateFolder } from "../model/checkpoint/opfs";
import type { TuneStore } from "../tune/store";

/** Winners in the private file system of the page (OPFS), beside the checkpoints kept there.
 *  @param open the folder, or undefined where there is none; injectable for tests */
export const opfsStore = (open: () => Promise<Folder | undefined> = privateFolder): TuneStore => ({
  async read(name) {
    try {
      const handle = await (await open())?.getFileHandle(name);
      return await (await handle?.getFile())?.text();
    } catch {
      return undefined; // not there
    }
  },
  async write(name, text) {
    try {
      const handle = await (await open())?.getFileHandle(name, { create: true });
      const writable = await handle?.createWritable();
      await writable?.write(text);
      await writable?.close();
    } catch {
      // no space, or no private file system: timed again next time
    }
  },
});
