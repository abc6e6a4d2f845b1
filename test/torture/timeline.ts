import { appendFileSync } from 'node:fs';
import { machineClock } from '../../bench/clock.js';
import type { WriterRecord } from './records.js';

const stallMs = 1_000;

/** What happened, as it happens: for a reader, and in a file. */
export class Timeline {
  readonly #start = machineClock();
  readonly #seen: { count: number; last: number; errors: number; told: boolean };
  /** Those who have acknowledged. */
  readonly #reigns = new Set<string>();
  #reign = '';
  #isDouble = false;

  constructor(
    private readonly file: string,
    private readonly print: (line: string) => void,
  ) {
    this.#seen = { count: 0, last: this.#start, errors: 0, told: false };
  }

  say(what: string): void {
    this.#write(machineClock(), what);
  }

  /** Takes in what clients have seen since the last time: stalls, and new primaries by their first acknowledgement. */
  follow(records: readonly WriterRecord[]): void {
    const seen = this.#seen;
    for (; seen.count < records.length; seen.count++) {
      const record = records[seen.count];
      if (record?.kind === 'refused') seen.errors++;
      if (record?.kind === 'warned') this.#write(record.done, `a client was warned: ${record.message}`);
      if (record?.kind !== 'acknowledged') continue;
      const { done, server, timeline } = record;
      const stall = done - seen.last;
      if (stall > stallMs) {
        this.#write(done, `clients had waited for ${seconds(stall)} (${seen.errors} errors)`);
        seen.told = false;
      }
      seen.errors = 0;
      seen.last = Math.max(seen.last, done);
      const reign = `${server} acknowledges on timeline ${timeline}`;
      if (reign !== this.#reign) this.#newReign(done, reign);
    }
    if (!seen.told && machineClock() - seen.last > 10 * stallMs) {
      seen.told = true;
      this.say(`no client has had an acknowledgement for ${seconds(10 * stallMs)}`);
    }
  }

  /** Two that acknowledge in turn are told of once. */
  #newReign(at: number, reign: string): void {
    if (!this.#reigns.has(reign)) this.#write(at, reign);
    else if (!this.#isDouble) {
      this.#isDouble = true;
      this.#write(at, `${reign}, as before, though another did meanwhile`);
    }
    this.#reigns.add(reign);
    this.#reign = reign;
  }

  #write(at: number, what: string): void {
    const line = `${((at - this.#start) / 1_000).toFixed(1).padStart(7)} s  ${what}`;
    appendFileSync(this.file, `${line}\n`);
    this.print(line);
  }
}

export function seconds(ms: number): string {
  return `${(ms / 1_000).toFixed(1)} s`;
}
