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

/** An engine that is not timed, and why. */
export interface PeerWrong {
  readonly case: string;
  readonly engine: string;
  readonly wrong: string;
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

/** Runs a case on every engine, in turns, until each has had its runs or its time. An engine that fails, or whose output is
 *  off from the first's, is not timed.
 *  @param wait how every engine's promises are waited for
 *  @throws Error where the first engine fails */
export async function compareEngines(
  engines: readonly Engine[],
  testCase: PeerCase,
  { runs, seconds }: CompareOptions,
  wait: <T>(promise: Promise<T>) => Promise<T> = (promise) => promise,
): Promise<(PeerResult | PeerWrong)[]> {
  const contestants: Contestant[] = [];
  const wrong: PeerWrong[] = [];
  try {
    let expected: Float32Array | undefined;
    for (const engine of engines) {
      const refuse = (why: string) => wrong.push({ case: testCase.name, engine: engine.name, wrong: why });
      let session: Session | undefined;
      try {
        const began = performance.now();
        session = await wait(engine.open(testCase));
        const opened = performance.now();
        const output = await wait(session.run());
        const firstMs = performance.now() - opened;
        expected ??= Float32Array.from(output);
        const error = relativeError(output, expected);
        if (error <= TOLERANCE) {
          contestants.push({ engine, session, openMs: opened - began, firstMs, error, times: [] });
          continue;
        }
        refuse(`off by ${error.toExponential(1)}, allowed ${TOLERANCE}`);
      } catch (error) {
        if (!expected) throw error;
        refuse((error as Error).message.split("\n", 1)[0]!);
      }
      await session?.close();
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
    const timed = contestants.map(({ engine, openMs, firstMs, error, times }) => ({
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
    return [...timed, ...wrong];
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
