import cliProgress from "cli-progress";

/** Where a command writes: results to stdout, talk to stderr. */
export interface Terminal {
  readonly stdout: { write(text: string): unknown };
  readonly stderr: { write(text: string): unknown; readonly isTTY?: boolean };
}

/** Says how far a phase is. */
export type Report = (done: number, total: number) => void;

/** Seconds between plain progress lines where there is no terminal to draw a bar on. */
const PLAIN_EVERY = 10;

/** What a command says while it works. Quiet: nothing but results and errors. */
export class Talk {
  /** Seconds of each finished phase; a phase that runs twice adds up. */
  readonly seconds: Record<string, number> = {};

  constructor(
    readonly terminal: Terminal,
    readonly quiet = false,
  ) {}

  /** A line of data on stdout. */
  result(line: string): void {
    this.terminal.stdout.write(`${line}\n`);
  }

  /** A line of talk on stderr. */
  say(line: string): void {
    if (!this.quiet) this.terminal.stderr.write(`${line}\n`);
  }

  /** Runs one phase of the work with a progress bar, then says how long it took. */
  async phase<T>(name: string, work: (report: Report) => Promise<T>): Promise<T> {
    const began = performance.now();
    const progress = this.quiet
      ? silent
      : this.terminal.stderr.isTTY
        ? bar(name)
        : plain(name, (line) => this.say(line));
    let result: T;
    try {
      result = await work(progress.report);
    } finally {
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
  end(): void;
}

const silent: Progress = { report: () => {}, end: () => {} };

function bar(name: string): Progress {
  const drawn = new cliProgress.SingleBar({
    format: `${name.padEnd(12)} [{bar}] {value}/{total}  {eta_formatted} left`,
    stream: process.stderr,
    barsize: 30,
    clearOnComplete: true,
    hideCursor: true,
  });
  let started = false;
  return {
    report(done, total) {
      if (!started) drawn.start(total, 0);
      started = true;
      drawn.setTotal(total);
      drawn.update(done);
    },
    end() {
      if (started) drawn.stop();
    },
  };
}

function plain(name: string, say: (line: string) => void): Progress {
  let last = performance.now();
  return {
    report(done, total) {
      if (performance.now() - last < PLAIN_EVERY * 1000) return;
      last = performance.now();
      say(`${name} ${done}/${total}`);
    },
    end() {},
  };
}
