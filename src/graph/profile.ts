import { readBuffer, readBuffers } from "../gpu/buffers";
import type { Device } from "../gpu/device";
import { type BufferRange, encodePass } from "../gpu/encode";
import { byteLength } from "../kernels/dispatch";
import { type Recording, replay } from "./record";

/** GPU time of one node. */
export interface NodeTime {
  readonly name: string;
  readonly ms: number;
}

/** Time per node of one replay, by timestamp queries: one compute pass a node, so small nodes cost a little more than
 *  in a run. @returns undefined where the device has no timestamps. */
export async function profile(device: Device, recording: Recording, stepOffset = 0): Promise<NodeTime[] | undefined> {
  if (!device.has("timestamp-query")) return undefined;
  const count = 2 * recording.nodes.length;
  const queries = device.gpu.createQuerySet({ type: "timestamp", count });
  const resolved = device.gpu.createBuffer({ size: 8 * count, usage: 0x200 | 0x4 /* QUERY_RESOLVE | COPY_SRC */ });
  const encoder = device.gpu.createCommandEncoder();
  recording.nodes.forEach((node, i) => {
    const pass = encoder.beginComputePass({
      label: node.name,
      timestampWrites: { querySet: queries, beginningOfPassWriteIndex: 2 * i, endOfPassWriteIndex: 2 * i + 1 },
    });
    replay(pass, [node], stepOffset);
    pass.end();
  });
  encoder.resolveQuerySet(queries, 0, count, resolved, 0);
  device.gpu.queue.submit([encoder.finish()]);
  const ns = new BigUint64Array(await readBuffer(device, resolved));
  queries.destroy();
  resolved.destroy();
  return recording.nodes.map(({ name }, i) => ({ name, ms: Number(ns[2 * i + 1]! - ns[2 * i]!) / 1e6 }));
}

/** Runs a recording node by node and names the first whose output is not finite: for explaining a failed run only. */
export async function firstNonFiniteNode(
  device: Device,
  recording: Recording,
  rangeOf: (name: string) => BufferRange,
  stepOffset = 0,
): Promise<string | undefined> {
  for (const node of recording.nodes) {
    const encoder = encodePass(device, (pass) => replay(pass, [node], stepOffset));
    const output = { ...rangeOf(node.output.name), bytes: byteLength(node.output) };
    const [bytes] = await readBuffers(device, [output], encoder);
    const finite =
      node.output.dtype === "f16"
        ? new Uint16Array(bytes!).every((half) => (half & 0x7c00) !== 0x7c00)
        : new Float32Array(bytes!).every(Number.isFinite);
    if (!finite) return node.name;
  }
  return undefined;
}
