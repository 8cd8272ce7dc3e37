import { relativeError } from "../forwards/steps";
import { median } from "../kernels/gpu";
import type { PeerCase } from "./cases";
import type { Engine, Session } from "./engine";

export interface PeerResult {
  readonly case: string;
  readonly engine: string;
  /** uploading weights, compiling, and a first run */
  readonly openMs: number;
  readonly firstMs: number;
  readonly ms: number;
  readonly minMs: number;
  readonly runs: number;
  /** root mean square of the differences to the first engine's output over that output's */
  readonly relativeError: number;
  /** time to the first engine's, best against best */
  readonly ratio: number;
}

/** Outputs may differ by this. */
const TOLERANCE = 1e-4;

export interface CompareOptions {
  /** Runs of each engine at most. */
  readonly runs: number;
  /** An engine that has run so long gets no further run. */
  readonly seconds: number;
}

interface Contestant {
  readonly engine: Engine;
  readonly session: Session;
  readonly openMs: number;
  readonly firstMs: number;
  readonly error: number;
  readonly times: number[];
}

/** Runs a case on every engine, in turns, until each has had its runs or its time.
 *  @param wait how every engine's promises are waited for
 *  @throws Error where an engine's output is off from the first's: nothing is timed then */
export async function compareEngines(
  engines: readonly Engine[],
  testCase: PeerCase,
  { runs, seconds }: CompareOptions,
  wait: <T>(promise: Promise<T>) => Promise<T> = (promise) => promise,
): Promise<PeerResult[]> {
  const contestants: Contestant[] = [];
  try {
    let expected: Float32Array | undefined;
    for (const engine of engines) {
      const began = performance.now();
      const session = await wait(engine.open(testCase));
      const opened = performance.now();
      const output = await wait(session.run());
      const firstMs = performance.now() - opened;
      expected ??= Float32Array.from(output);
      const error = relativeError(output, expected);
      contestants.push({ engine, session, openMs: opened - began, firstMs, error, times: [] });
      if (!(error <= TOLERANCE))
        throw new Error(`${testCase.name}: ${engine.name} is off by ${error}, allowed ${TOLERANCE}; nothing is timed`);
    }
    for (let run = 0; run < runs; run++)
      for (const { session, times } of contestants) {
        if (run > 0 && times.reduce((a, b) => a + b, 0) > 1e3 * seconds) continue;
        await settle();
        const began = performance.now();
        await wait(session.run());
        times.push(performance.now() - began);
      }
    const own = Math.min(...contestants[0]!.times);
    return contestants.map(({ engine, openMs, firstMs, error, times }) => ({
      case: testCase.name,
      engine: engine.name,
      openMs,
      firstMs,
      ms: median(times),
      minMs: Math.min(...times),
      runs: times.length,
      relativeError: error,
      ratio: Math.min(...times) / own,
    }));
  } finally {
    for (const { session } of contestants) await session.close();
  }
}

/** Waits until this process has no work left, or 30 seconds: V8 goes on optimising onnxruntime's WebAssembly for that long
 *  after it was loaded, on cores that the next engine would miss. In a page nothing tells. */
async function settle(): Promise<void> {
  if (typeof process === "undefined") return;
  for (const began = performance.now(); performance.now() - began < 30_000; ) {
    const before = process.cpuUsage();
    const from = performance.now();
    await new Promise((resolve) => setTimeout(resolve, 100));
    const { user, system } = process.cpuUsage(before);
    if ((user + system) / 1e3 < 0.1 * (performance.now() - from)) return;
  }
}
