import type { Keeper } from "../../experiments/keeper";
import { type Context, type OpenSession, openSession } from "../context";
import type { GridPlan } from "../grid-plan";
import { type KeepOptions, openKeeper } from "../grid-run";
import type { Reporter } from "../reporter";
import type { ModelOptions } from "./job";

/** A device with a model and its inversions, opened when a job needs it and let go when none came for a while. */
export class SessionHolder {
  #session: OpenSession | undefined;
  #model = "";
  #keeper: Keeper | undefined;
  #kept = "";
  #idle: NodeJS.Timeout | undefined;

  /** @param idle seconds without a job after which the device is let go */
  constructor(
    readonly context: Context,
    readonly reporter: Reporter,
    readonly idle: number,
  ) {}

  /** The session with this model, and a keeper for these inversions: those at hand, where they are alike. */
  async open(
    model: ModelOptions,
    { recipe }: GridPlan,
    keep: KeepOptions,
  ): Promise<{ session: OpenSession; keeper: Keeper }> {
    clearTimeout(this.#idle);
    const asked = JSON.stringify(model);
    if (!this.#session || this.#model !== asked) {
      this.close();
      this.#session = await openSession(this.context, model, this.reporter);
      this.#model = asked;
    }
    const { stepsInversion, top, faithful, solver, spacing, tap } = recipe;
    const kept = JSON.stringify([{ stepsInversion, top, faithful, solver, spacing, tap }, keep]);
    if (!this.#keeper || this.#kept !== kept) {
      this.#keeper?.dispose();
      this.#keeper = await openKeeper(this.#session.model, recipe, keep);
      this.#kept = kept;
    }
    return { session: this.#session, keeper: this.#keeper };
  }

  /** Lets the device go if no job comes. */
  rest(): void {
    clearTimeout(this.#idle);
    if (!this.#session) return;
    this.#idle = setTimeout(() => {
      this.reporter.say(`no job for ${this.idle} s: the device is let go`);
      this.close();
    }, this.idle * 1000).unref();
  }

  close(): void {
    clearTimeout(this.#idle);
    this.#keeper?.dispose();
    this.#session?.close();
    this.#keeper = undefined;
    this.#session = undefined;
  }
}
