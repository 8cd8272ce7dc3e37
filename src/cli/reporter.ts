import cliProgress from "cli-progress";

/** Where a command writes: results to stdout, progress and notes to stderr. */
export interface Terminal {
  readonly stdout: { write(text: string): unknown };
  readonly stderr: { write(text: string): unknown; readonly isTTY?: boolean };
}

/** Takes how far a phase is, and what it is doing now where that is not the phase's name. */
export type Report = (done: number, total: number, doing?: string) => void;

/** How a phase shows itself. */
export interface PhaseOptions {
  /** Megabytes for counts that are bytes. */
  readonly unit?: "MB";
  /** Names the work before the first report, shown once it takes a while. */
  readonly before?: string;
}

/** Seconds between plain progress lines where there is no terminal to draw a bar on. */
const PLAIN_EVERY = 10;
/** Milliseconds before `before` is shown. */
const SLOW_START = 1500;

/** Reporter of a command's progress. Quiet: nothing but results and errors. */
export class Reporter {
  /** Seconds of each finished phase; a phase that runs twice adds up. */
  readonly seconds: Record<string, number> = {};

  readonly #notes: string[] = [];

  constructor(
    readonly terminal: Terminal,
    readonly quiet = false,
  ) {}

  /** Writes a line of data to stdout. */
  result(line: string): void {
    this.#showNotes();
    this.terminal.stdout.write(`${line}\n`);
  }

  /** Writes a line to stderr, unless quiet. */
  say(line: string): void {
    if (!this.quiet) this.terminal.stderr.write(`${line}\n`);
  }

  /** Points out something that is allowed but may not be meant: shown when the work begins, unless an error comes first. */
  note(line: string): void {
    this.#notes.push(line);
  }

  #showNotes(): void {
    for (const line of this.#notes.splice(0)) this.say(`note: ${line}`);
  }

  /** Runs one phase of the work with a progress bar, then says how long it took. */
  async phase<T>(name: string, work: (report: Report) => Promise<T>, options: PhaseOptions = {}): Promise<T> {
    this.#showNotes();
    const began = performance.now();
    const show = shower(options.unit);
    const progress = this.quiet
      ? silent
      : this.terminal.stderr.isTTY
        ? bar(name, show)
        : plain(name, show, (line) => this.say(line));
    const slow = options.before && setTimeout(() => progress.waiting(options.before!), SLOW_START);
    let result: T;
    try {
      result = await work((done, total, doing) => {
        if (slow) clearTimeout(slow);
        progress.report(done, total, doing);
      });
    } finally {
      if (slow) clearTimeout(slow);
      progress.end();
    }
    const seconds = (performance.now() - began) / 1000;
    this.seconds[name] = (this.seconds[name] ?? 0) + seconds;
    this.say(`${name.padEnd(12)} ${seconds.toFixed(seconds < 10 ? 2 : 1).padStart(7)} s`);
    return result;
  }
}

interface Progress {
  readonly report: Report;
  /** Shows that the work has begun, though nothing can be counted yet. */
  waiting(doing: string): void;
  end(): void;
}

type Show = (done: number, total: number, doing?: string) => string;

/** Counts in the phase's unit; what else a phase does is counted in pieces. */
const shower =
  (unit: PhaseOptions["unit"]): Show =>
  (done, total, doing) =>
    unit && !doing ? `${(done / 1e6).toFixed(1)}/${(total / 1e6).toFixed(1)} ${unit}` : `${done}/${total}`;

const silent: Progress = { report: () => {}, waiting: () => {}, end: () => {} };

function bar(name: string, show: Show): Progress {
  const drawn = new cliProgress.SingleBar({
    format: "{doing} [{bar}] {shown}  {eta_formatted} left",
    stream: process.stderr,
    barsize: 30,
    clearOnComplete: true,
    hideCursor: true,
  });
  let started = false;
  const begin = (total: number, doing: string, shown: string) => {
    if (!started) drawn.start(total, 0, { doing: doing.padEnd(12), shown });
    started = true;
  };
  return {
    report(done, total, doing) {
      const shown = show(done, total, doing);
      const label = doing ?? name;
      begin(total, label, shown);
      drawn.setTotal(total);
      drawn.update(done, { doing: label.padEnd(12), shown });
    },
    waiting: (doing) => begin(1, `${name}: ${doing}`, "..."),
    end() {
      if (started) drawn.stop();
    },
  };
}

function plain(name: string, show: Show, say: (line: string) => void): Progress {
  let last = performance.now();
  let current: string | undefined;
  return {
    report(done, total, doing) {
      const isNew = doing !== current;
      current = doing;
      if (!isNew && performance.now() - last < PLAIN_EVERY * 1000) return;
      last = performance.now();
      say(`${doing ?? name} ${show(done, total, doing)}`);
    },
    waiting: (doing) => say(`${name}: ${doing}`),
    end() {},
  };
}
