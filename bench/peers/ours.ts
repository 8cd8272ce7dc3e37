import { Buffers, readBuffers } from "../../src/gpu/buffers";
import type { Device } from "../../src/gpu/device";
import { encodePass } from "../../src/gpu/encode";
import { compile } from "../../src/graph/compiled";
import { type Lowered, lower } from "../../src/graph/lower";
import { replay } from "../../src/graph/record";
import { finished } from "../../src/kernels/conv/packing";
import { STEP, STEP_FLOATS } from "../../src/kernels/step/step-row";
import type { Target } from "../../src/kernels/target";
import { networkOps } from "../../src/model/ops";
import { TIME } from "./cases";
import type { Engine } from "./engine";

/** This engine, in the same clothes. */
export const ours = (device: Device, target: Target): Engine => ({
  name: "injectfusion",
  async open({ graph, inputs, weights }) {
    const lowered = lower(graph, target, networkOps);
    const buffers = upload(device, lowered, await weights());
    const programs = await compile(device, { case: lowered }, (name) => buffers.get(name));
    const { queue } = device.gpu;
    if (graph.inputs.steps) {
      const row = new Float32Array(STEP_FLOATS);
      row[STEP.T] = TIME;
      queue.writeBuffer(programs.bufferOf("case", "steps"), 0, row);
    }
    const x = programs.bufferOf("case", "x");
    const y = programs.bufferOf("case", graph.outputs[0]!);
    return {
      async run() {
        queue.writeBuffer(x, 0, inputs.get("x")!);
        const encoder = encodePass(device, (pass) => replay(pass, programs.recordings.case!.nodes, 0));
        const [values] = await readBuffers(device, [{ buffer: y }], encoder);
        return new Float32Array(values!);
      },
      close() {
        programs.destroy();
        buffers.destroy();
      },
    };
  },
});

function upload(device: Device, lowered: Lowered, weights: ReadonlyMap<string, Float32Array>): Buffers {
  const buffers = new Buffers(device);
  for (const { tensor, sources, packing } of lowered.weights.values()) {
    const all = new Float32Array(sources.reduce((sum, s) => sum + s.elements, 0));
    let at = 0;
    for (const { key, elements } of sources) {
      all.set(weights.get(key)!, at);
      at += elements;
    }
    const packed = packing ? finished(packing(all, (length) => new Float32Array(length))) : all;
    device.gpu.queue.writeBuffer(buffers.makeFor(tensor), 0, packed);
  }
  return buffers;
}
