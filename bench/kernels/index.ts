import type { Device } from "../../src/gpu/device";
import type { Target } from "../../src/kernels/target";
import { samplePoints } from "../../src/reference/numbers";
import { type BuiltCase, type KernelCase, kernelCases } from "./cases";
import { median, type Prepared, prepare, Stopwatch } from "./gpu";
import { prepareRoof, type Roof, roofUnits } from "./roof";

export interface KernelResult {
  readonly case: string;
  readonly variant: string;
  readonly dispatches: number;
  readonly ms: number;
  readonly minMs: number;
  readonly rate: number;
  readonly unit: string;
  readonly roof: Roof;
  /** Share of the roof (multiply-adds, or copying) that the same run measured; Winograd can pass 1. Best against best. */
  readonly ofRoof: number;
  readonly compileMs: number;
  readonly worstError: number;
}

export interface RoofResult {
  readonly roof: Roof;
  readonly best: number;
  readonly median: number;
  readonly unit: string;
}

/** A pass lasts at least this long, so that timestamps in steps of 65 us tell enough. */
const PASS_SECONDS = 2e-3;

/** A GPU idles at a fifth of its clock. It works for so long before it is timed, or until the clock is near its best. */
const BURN_MS = { first: 1000, most: 3000 };
const NEAR = 0.97;

/** Best rate of the multiply-adds of a device so far. */
const bestRates = new WeakMap<Device, number>();

/** Raises the clock of a GPU; nothing on a software adapter. */
export async function burn(device: Device, watch: Stopwatch): Promise<void> {
  if (device.adapterClass !== "gpu") return;
  const roof = await prepareRoof(device, "fma");
  const known = bestRates.get(device);
  let best = known ?? 0;
  let times = 1;
  for (let began = performance.now(), last = 0; ; ) {
    const seconds = await watch.seconds(roof, times);
    last = (roof.work * times) / seconds;
    times = Math.max(1, Math.ceil((0.02 * times) / seconds));
    best = Math.max(best, last);
    const elapsed = performance.now() - began;
    if (known ? last > NEAR * known || elapsed > BURN_MS.most : elapsed > BURN_MS.first) break;
  }
  bestRates.set(device, best);
  roof.destroy();
}

/** Seconds of one replay: best and median of `runs` passes. */
async function measure(watch: Stopwatch, work: Prepared, runs: number): Promise<{ best: number; median: number }> {
  const first = await watch.seconds(work, 1);
  const times = Math.max(1, Math.ceil(PASS_SECONDS / Math.max(first, 1e-6)));
  const seconds: number[] = [];
  for (let i = 0; i < runs; i++)
    seconds.push((await watch.seconds(work, Math.min(times, 1000))) / Math.min(times, 1000));
  return { best: Math.min(...seconds), median: median(seconds) };
}

export async function measureRoof(device: Device, roof: Roof, runs: number): Promise<RoofResult> {
  const work = await prepareRoof(device, roof);
  const watch = new Stopwatch(device);
  await burn(device, watch);
  const { best, median } = await measure(watch, work, runs);
  work.destroy();
  const rate = (seconds: number) => (work.work ? work.work / seconds / 1e9 : seconds * 1e6);
  return { roof, best: rate(best), median: rate(median), unit: roofUnits[roof] };
}

/** Compares 256 spread outputs with the reference.   @throws Error where one is off: a wrong kernel is not timed. */
async function check(built: BuiltCase, work: Prepared, watch: Stopwatch, name: string): Promise<number> {
  await watch.seconds(work, 1);
  const y = await work.read(built.y);
  const actual = built.view?.(y) ?? y;
  const count = actual.length;
  const points = samplePoints(count, 256);
  const expected = built.expected(points);
  let worst = 0;
  points.forEach((p, i) => {
    const off = Math.abs(actual[p]! - expected[i]!);
    if (!(off <= worst)) worst = off;
  });
  if (!(worst <= built.tolerance))
    throw new Error(`${name} (${built.variant}): off by ${worst}, allowed ${built.tolerance}`);
  return worst;
}

export async function measureKernel(
  device: Device,
  target: Target,
  kernel: KernelCase,
  runs: number,
): Promise<KernelResult> {
  const watch = new Stopwatch(device);
  const built = kernel.build(target);
  return device.guarded(kernel.name, async () => {
    const work = await prepare(device, built.dispatches, built.inputs);
    const worstError = await check(built, work, watch, kernel.name);
    const limit: Roof = kernel.bytes ? "copy" : "fma";
    const roof = await prepareRoof(device, limit);
    let [best, roofBest] = [Number.POSITIVE_INFINITY, Number.POSITIVE_INFINITY];
    const medians: number[] = [];
    await burn(device, watch);
    // Roof and kernel take turns, so that both see the machine in the same state.
    for (let round = 0; round < 3; round++) {
      const kernelTime = await measure(watch, work, Math.ceil(runs / 3));
      const roofTime = await measure(watch, roof, Math.ceil(runs / 3));
      best = Math.min(best, kernelTime.best);
      roofBest = Math.min(roofBest, roofTime.best);
      medians.push(kernelTime.median);
    }
    work.destroy();
    roof.destroy();
    const rate = (kernel.bytes ?? kernel.flops) / best;
    const roofRate = roof.work / roofBest;
    return {
      case: kernel.name,
      variant: built.variant,
      dispatches: built.dispatches.length,
      ms: median(medians) * 1e3,
      minMs: best * 1e3,
      rate: rate / 1e9,
      unit: roofUnits[limit],
      roof: limit,
      ofRoof: rate / roofRate,
      compileMs: work.compileMs,
      worstError,
    };
  });
}

export { kernelCases };
