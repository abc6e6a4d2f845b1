import type { Address } from '../../src/domain/address.js';
import type { BouncerDatabase, PauseScope } from '../../src/domain/bouncer.js';
import type { BouncerConfig, WrittenConfig } from '../../src/domain/bouncer-config.js';
import type { PgcmError } from '../../src/domain/errors.js';

/** A config file in memory with one database, `app`. */
export class FakeConfig implements BouncerConfig {
  readonly name = '/etc/pgbouncer/pgbouncer.ini';
  follows: PauseScope = ['app'];
  host: string | undefined;
  writes: string[] = [];
  failure: PgcmError | undefined;
  staleTemplate: string | undefined;

  write(address: Address): Promise<WrittenConfig> {
    if (this.failure !== undefined) return Promise.reject(this.failure);
    const outcome = this.host === address ? 'unchanged' : 'written';
    if (outcome === 'written') this.writes.push(address);
    this.host = address;
    const leads = { databases: new Map([['app', address]]), otherwise: undefined, named: new Set(['app']) };
    return Promise.resolve({ outcome, leads, staleTemplate: this.staleTemplate });
  }

  read = (): readonly BouncerDatabase[] =>
    this.host === undefined ? [] : [{ name: 'app', host: this.host, port: 5432, paused: false }];
}
