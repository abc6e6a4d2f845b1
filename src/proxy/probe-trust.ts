import type { Address } from '../domain/address.js';
import { events } from '../domain/events.js';
import type { Log } from '../domain/log.js';
import type { ProbeFinding } from '../domain/route-probe.js';
import { Complaints } from './complaints.js';

const UNANSWERED =
  'the probe was not answered since the start: until it is, nobody is held when the primary is lost; see probe-port, ' +
  'probe-user, and whether a firewall lets this host reach that port of every PostgreSQL node';

const REFUSED =
  'PostgreSQL answers the probe, but not whether it takes writes: nobody is held when it takes none; see probe-user, ' +
  'probe-database, probe-password, pg_hba.conf, and the settings of that role';

/**
 * Whether the probe is to be believed when it finds nobody. One that leads nowhere, by a wrong probe-port or a firewall
 * that lets only PgBouncer pass, never finds anybody: it would hold every client for hold-timeout after each start
 * and each new route. So it must have been answered once, by whichever address.
 */
export class ProbeTrust {
  readonly #log: Log;
  readonly #complaints = new Complaints();
  #wasAnswered = false;

  constructor(log: Log) {
    this.#log = log;
  }

  /** Tells once what keeps the probe from its work. @returns whether the finding is to be believed */
  see(address: Address, finding: ProbeFinding): boolean {
    switch (finding.kind) {
      case 'gone':
      case 'silent':
        if (!this.#wasAnswered && this.#complaints.isNew('answer', ''))
          this.#log.warn(events.probeError, { address, error: finding.why }, UNANSWERED);
        return this.#wasAnswered;
      case 'rejects':
        // It is a PostgreSQL, which has not looked at the login.
        this.#answered(address, 'answer');
        break;
      case 'accepts':
        this.#answered(address, 'answer');
        if (finding.trouble === undefined) this.#answered(address, 'question');
        else if (this.#complaints.isNew('question', finding.trouble))
          this.#log.warn(events.probeError, { address, error: finding.trouble }, REFUSED);
        break;
      case 'writes':
      case 'read-only':
        this.#answered(address, 'answer', 'question');
    }
    return true;
  }

  #answered(address: Address, ...subjects: readonly ('answer' | 'question')[]): void {
    this.#wasAnswered = true;
    const settled = subjects.filter((subject) => this.#complaints.settle(subject));
    if (settled.length > 0) this.#log.info(events.probeRecovered, { address });
  }
}
