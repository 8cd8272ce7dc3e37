// The peers' benchmark as it runs in a page: the same cases, comparison and clock as in Node.
import { openDevice } from "../../../src/gpu/open-browser";
import { targetOf } from "../../../src/model/network";
import { peerCases } from "../cases";
import { type CompareOptions, compareEngines } from "../compare";
import type { Engine } from "../engine";
import { onnxruntimeWebGpu } from "../onnxruntime";
import { ours } from "../ours";
import { tfjs } from "../tfjs";

export interface PageOptions extends CompareOptions {
  readonly filter: string;
  readonly engines: string;
  readonly precision: "fast" | "exact";
}

/** Called once by the benchmark in Node. `report` takes one JSON object a line. */
async function bench(options: PageOptions, report: (line: string) => Promise<void>): Promise<void> {
  const device = await openDevice();
  const engines: Engine[] = [ours(device, targetOf(device, options))];
  for (const [name, open] of Object.entries({ tfjs, "onnxruntime-webgpu": onnxruntimeWebGpu }))
    if (new RegExp(options.engines).test(name)) engines.push(await open());
  await report(JSON.stringify({ adapter: device.description, engines: engines.map(({ name }) => name) }));
  for (const testCase of peerCases.filter(({ name }) => new RegExp(options.filter).test(name)))
    try {
      for (const result of await compareEngines(engines, testCase, options)) await report(JSON.stringify(result));
    } catch (error) {
      await report(JSON.stringify({ failed: (error as Error).message }));
    }
}

Object.assign(globalThis, { bench });
