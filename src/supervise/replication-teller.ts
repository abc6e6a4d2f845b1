import type { Plan } from '../domain/entitlement-plan.js';
import { describeError } from '../domain/errors.js';
import { events } from '../domain/events.js';
import type { Log } from '../domain/log.js';
import type { Walsender } from '../domain/replication.js';
import type { Milliseconds } from '../domain/time.js';

/** What the replication manager says: every change, and each distinct trouble once. */
export class ReplicationTeller {
  readonly #log: Log;
  #trouble = '';
  #held: Milliseconds = 0;
  #lastHeld: Milliseconds = 0;

  constructor(log: Log) {
    this.#log = log;
  }

  /** How long commits have waited for the barrier, in all. */
  get held(): Milliseconds {
    return this.#held;
  }

  begins(timeline: number): void {
    this.#log.info(events.entitlementHeld, { timeline }, 'keeping who may be promoted for this primary');
  }

  leaves(why: string): void {
    this.#log.info(events.entitlementLeft, { why });
  }

  heldFor(ms: Milliseconds): void {
    this.#held += ms;
    this.#lastHeld = ms;
  }

  changed({ kind, standbys, added, removed }: Plan, self: string): void {
    const held = kind === 'grow' ? Math.round(this.#lastHeld) : undefined;
    const entitled = [self, ...standbys];
    this.#log.info(events.entitlementChange, {
      plan: kind,
      entitled,
      added,
      removed,
      commits_waited_ms: held,
    });
    this.recovered();
  }

  refused(name: string, why: string): void {
    this.#log.warn(events.standbyRefused, { standby: name, why }, 'it streams, and cannot be entitled');
  }

  ended({ name, pid }: Walsender, silence: Milliseconds): void {
    this.#log.warn(
      events.walsenderEnded,
      { standby: name, pid, silent_ms: Math.round(silence) },
      'its standby does not answer: commits wait for it no longer',
    );
  }

  trouble(error: unknown): void {
    const text = describeError(error);
    if (this.#trouble === text) return;
    this.#trouble = text;
    this.#log.warn(events.entitlementError, { error: text }, 'nobody is entitled or withdrawn meanwhile');
  }

  recovered(): void {
    if (this.#trouble === '') return;
    this.#log.info(events.entitlementRecovered, { after: this.#trouble });
    this.#trouble = '';
  }
}
