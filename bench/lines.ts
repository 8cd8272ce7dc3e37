import type { TuneResult } from "../src/tune/tune";
import type { ColdResult, ForwardResult } from "./forwards";
import type { LoadResult } from "./forwards/loading";
import type { KernelResult } from "./kernels";

const mib = (bytes: number): string => `${(bytes / 2 ** 20).toFixed(1)} MiB`;

export const kernelHeader =
  "case                            variant            disp.       ms    rate unit    of roof   compile   error";

export const kernelLine = (r: KernelResult): string =>
  [
    r.case.padEnd(31),
    r.variant.padEnd(20),
    `${r.dispatches}`.padStart(3),
    r.minMs.toFixed(3).padStart(8),
    r.rate.toFixed(1).padStart(7),
    r.unit.padEnd(7),
    `${r.ofRoof.toFixed(2)} ${r.roof}`.padStart(9),
    `${r.compileMs.toFixed(0)} ms`.padStart(8),
    r.worstError.toExponential(0).padStart(7),
  ].join(" ");

export const loadLines = (r: LoadResult): string[] => [
  "",
  `forward ${r.network}: ${r.parameters} parameters, weights ${mib(r.weightBytes)}`,
  `  loaded in ${r.loadMs.toFixed(0)} ms, at most ${mib(r.loadPeakBytes)} of memory more than before`,
];

export const coldLines = (r: ColdResult): string[] => [
  ...loadLines(r),
  `  cold: ${r.pipelines} pipelines for all three step graphs, compiled and planned in ${r.compileMs.toFixed(0)} ms`,
  `  memory of all three: ${mib(r.plannedBytes)}, ${(r.plannedBytes / r.lowerBound).toFixed(3)} of the lower bound`,
  ...tuneLines(r.tuning),
];

/** One line for each convolution that another variant than the heuristic's serves. */
function tuneLines(results: readonly TuneResult[]): string[] {
  if (results.length === 0) return [];
  const timed = results.filter(({ remembered }) => !remembered);
  const changed = timed.filter(({ variant, trials }) => trials.length > 0 && variant !== trials[0]!.variant);
  const refused = timed.flatMap(({ key, trials }) =>
    trials.filter((t) => t.refused).map((t) => `    refused: ${t.variant.name} for ${key}: ${t.refused}`),
  );
  const ms = ({ trials, variant }: TuneResult) => trials.find((t) => t.variant === variant)!.ms!;
  return [
    `  tuned: ${results.length} convolutions, ${results.length - timed.length} remembered, ${changed.length} changed`,
    ...changed.map(
      (r) =>
        `    ${r.key}: ${r.trials[0]!.variant.name} ${r.trials[0]!.ms?.toFixed(2) ?? "refused"} -> ${r.variant.name} ${ms(r).toFixed(2)} ms`,
    ),
    ...refused,
  ];
}

export function forwardLines(r: ForwardResult): string[] {
  const over = r.timeRatio / r.macRatio;
  const lines = [
    `  ${r.program}: ${r.minMs.toFixed(2)} ms (median ${r.ms.toFixed(2)}, first ${r.firstMs.toFixed(0)}), ${r.gflop.toFixed(2)} GFLOP, ${r.gflops.toFixed(1)} GFLOP/s, ${r.ofRoof.toFixed(2)} of the roof`,
    `    ${r.nodes} nodes, ${r.dispatches} dispatches, encoded in ${r.encodeMs.toFixed(2)} ms; ${mib(r.plannedBytes)} planned, ${(r.plannedBytes / r.lowerBound).toFixed(3)} of the lower bound; error ${r.relativeError.toExponential(0)}`,
  ];
  if (r.program !== "plain")
    lines.push(
      `    to plain: ${r.timeRatio.toFixed(3)} in time, ${r.macRatio.toFixed(3)} in multiply-adds: ${over.toFixed(3)}${over <= 1.05 ? "" : ", above the 1.05 to hold"}`,
    );
  if (!r.kinds || !r.times) return [...lines, "    no time per node: this adapter has no timestamp queries"];
  const total = r.kinds.reduce((sum, { ms }) => sum + ms, 0);
  const slowest = [...r.times].sort((a, b) => b.ms - a.ms).slice(0, 5);
  const share = (ms: number) => `${((100 * ms) / total).toFixed(0)} %`;
  return [
    ...lines,
    `    by kind (${total.toFixed(2)} ms in passes of their own): ${r.kinds.map((k) => `${k.kind} x${k.nodes} ${share(k.ms)}`).join(", ")}`,
    `    slowest: ${slowest.map((t) => `${t.name} ${t.ms.toFixed(2)} ms`).join(", ")}`,
  ];
}
