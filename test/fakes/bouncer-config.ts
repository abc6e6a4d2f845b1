import type { BouncerDatabase, PauseScope } from '../../src/domain/bouncer.js';
import type { BouncerConfig, WrittenConfig } from '../../src/domain/bouncer-config.js';
import type { PgcmError } from '../../src/domain/errors.js';
import type { RouteView } from '../../src/domain/route-view.js';

/** A config file in memory with one database, `app`. */
export class FakeConfig implements BouncerConfig {
  readonly name = '/etc/pgbouncer/pgbouncer.ini';
  follows: PauseScope = ['app'];
  host: string | undefined;
  writes: string[] = [];
  failure: PgcmError | undefined;
  staleTemplate: string | undefined;

  /** What the file is made of besides the primary's address: the replicas' names. */
  replicas = '';

  isCurrent(view: RouteView): boolean {
    return this.host === view.host && this.replicas === replicasOf(view);
  }

  write(view: RouteView): Promise<WrittenConfig> {
    if (this.failure !== undefined) return Promise.reject(this.failure);
    const address = view.host;
    const outcome = this.isCurrent(view) ? 'unchanged' : 'written';
    this.replicas = replicasOf(view);
    if (outcome === 'written') this.writes.push(address);
    this.host = address;
    const leads = { databases: new Map([['app', address]]), otherwise: undefined, named: new Set(['app']) };
    return Promise.resolve({ outcome, leads, staleTemplate: this.staleTemplate });
  }

  read = (): readonly BouncerDatabase[] =>
    this.host === undefined ? [] : [{ name: 'app', host: this.host, port: 5432, paused: false }];
}

function replicasOf({ replicas }: RouteView): string {
  return replicas.map(({ name }) => name).join(' ');
}
