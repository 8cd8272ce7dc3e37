import { UserError } from "../errors";
import type { InjectStep } from "../inject/plan-inject";

/** How the share of the content changes over the injected part of a run. u runs from 0 at the first injected step to 1 at
 *  the last; each schedule has mean about 1, so that gamma keeps its meaning.
 *  constant: the paper's; fade: strong at first, then less; rise: the reverse; bell: strongest half-way. */
export const schedules = {
  constant: () => 1,
  fade: (u: number) => 1 + Math.cos(Math.PI * u),
  rise: (u: number) => 1 - Math.cos(Math.PI * u),
  bell: (u: number) => 1 - Math.cos(2 * Math.PI * u),
} as const satisfies Record<string, (u: number) => number>;

export type ScheduleName = keyof typeof schedules;

/** Edits the steps of an injection: multiplies every gamma by the schedule at its step, held within [0, 1]. For
 *  `withHooks(options, { mutate })`.
 *  @throws UserError for a schedule that is not there */
export function scheduleGamma(name: ScheduleName): (plan: readonly InjectStep[]) => InjectStep[] {
  if (!Object.hasOwn(schedules, name))
    throw new UserError(`no gamma schedule "${name}"; schedules are ${Object.keys(schedules).join(", ")}`);
  const share = schedules[name];
  return (plan) => {
    const injected = plan.flatMap((step, k) => (step.samples.some((s) => s.gammas?.some((g) => g > 0)) ? [k] : []));
    const [first = 0, last = 0] = [injected[0], injected.at(-1)];
    return plan.map((step, k) => {
      const factor = share(last > first ? (k - first) / (last - first) : 0.5);
      const scaled = (g: number) => Math.min(1, Math.max(0, g * factor));
      return { ...step, samples: step.samples.map((s) => (s.gammas ? { ...s, gammas: s.gammas.map(scaled) } : s)) };
    });
  };
}
