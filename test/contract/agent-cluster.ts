import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { chmodSync } from 'node:fs';
import { join } from 'node:path';
import { AgentMember } from './agent-member.js';
import { EtcdServers } from './etcd-server.js';
import { freePort, serverFolder, serverIdentity } from './server-process.js';

const BINARIES = '/usr/lib/postgresql/15/bin';

/** The rights that the replication role needs, as docs/install.md grants them. */
const ROLES = [
  'CREATE ROLE replicator LOGIN REPLICATION;',
  'GRANT EXECUTE ON FUNCTION pg_ls_dir(text, boolean, boolean) TO replicator;',
  'GRANT EXECUTE ON FUNCTION pg_stat_file(text, boolean) TO replicator;',
  'GRANT EXECUTE ON FUNCTION pg_read_binary_file(text) TO replicator;',
  'GRANT EXECUTE ON FUNCTION pg_read_binary_file(text, bigint, bigint, boolean) TO replicator;',
  'CREATE TABLE t (who text);',
];

/** A standby needs no fewer than the primary has had. */
export const FEWEST_CONNECTIONS = 15;

/** What there is of the record that the agent and supervise share. */
export interface RecordFields {
  readonly system: string;
  readonly counter: number;
  readonly primary: string;
  readonly timeline: number;
  readonly claimant: string;
  readonly claimed: number;
  readonly entitled: Readonly<Record<string, string>>;
  readonly highest: number;
}

/** What all clusters of a test file have in common: etcd, and an empty database that each member starts from. */
export class AgentWorld {
  readonly etcd: EtcdServers;
  readonly template: string;
  readonly #folder: ReturnType<typeof serverFolder>;
  #clusters = 0;

  static async start(): Promise<AgentWorld> {
    const folder = serverFolder('agent');
    // PostgreSQL's user has to get to what the folders of root hold.
    chmodSync(folder.path, 0o755);
    try {
      makeTemplate(join(folder.path, 'template'));
      return new AgentWorld(await EtcdServers.start(), folder);
    } catch (error) {
      folder.remove();
      throw error;
    }
  }

  private constructor(etcd: EtcdServers, folder: ReturnType<typeof serverFolder>) {
    this.etcd = etcd;
    this.#folder = folder;
    this.template = join(folder.path, 'template');
  }

  /** Members that were never started, and no record. */
  async cluster(names: readonly string[] = ['pg01', 'pg02']): Promise<AgentCluster> {
    this.#clusters += 1;
    const folder = join(this.#folder.path, `c${this.#clusters}`);
    execFileSync('mkdir', [folder]);
    return new AgentCluster(this, folder, `/c${this.#clusters}`, names, await freePort());
  }

  async stop(): Promise<void> {
    await this.etcd.stop();
    this.#folder.remove();
  }
}

/** Members of one cluster, each on an address of its own, with one record in etcd. */
export class AgentCluster {
  readonly members: readonly AgentMember[];
  readonly key: string;
  readonly #world: AgentWorld;
  readonly #folder: string;

  constructor(world: AgentWorld, folder: string, namespace: string, names: readonly string[], port: number) {
    this.#world = world;
    this.#folder = folder;
    this.key = `${namespace}/pgcm/entitlement`;
    const places = names.map((name, index) => ({ name, address: `127.0.0.${11 + index}` }));
    const parameters = {
      node_list: places.map(({ name, address }) => `${name}=${address}`).join(' '),
      etcd_endpoints: world.etcd.endpoints.join(','),
      etcd_namespace: namespace,
    };
    this.members = places.map(
      ({ name, address }) =>
        new AgentMember({ name, address, port, parameters, folder: join(folder, name) }, world.template),
    );
  }

  member(name: string): AgentMember {
    return this.members.find((member) => member.name === name) ?? assert.fail(`there is no ${name}`);
  }

  /** The record as it is, and that there is one. */
  async record(): Promise<RecordFields> {
    const text = await this.recordText();
    assert.notEqual(text, '', 'there is no record');
    return JSON.parse(text) as RecordFields;
  }

  async recordText(): Promise<string> {
    return (await this.#world.etcd.etcdctl(['get', '--print-value-only', this.key])).trim();
  }

  async putText(text: string): Promise<void> {
    await this.#world.etcd.etcdctl(['put', this.key, text]);
  }

  /** Writes a record as supervise would: what is given changes, the counter goes up. */
  async put(change: Partial<RecordFields>): Promise<void> {
    const text = await this.recordText();
    const before: RecordFields =
      text === ''
        ? {
            system: this.#first().control('Database system identifier'),
            counter: 0,
            primary: this.#first().name,
            timeline: 1,
            claimant: '',
            claimed: 0,
            entitled: {},
            highest: 1,
          }
        : (JSON.parse(text) as RecordFields);
    const { system, counter, primary, timeline, claimant, claimed, entitled, highest } = {
      ...before,
      counter: before.counter + 1,
      ...change,
    };
    await this.putText(
      JSON.stringify({ system, counter, primary, timeline, claimant, claimed, entitled, highest }),
    );
  }

  async removeRecord(): Promise<void> {
    await this.#world.etcd.etcdctl(['del', this.key]);
  }

  /** Makes a transaction that was kept from etcd, at last. */
  async make(transaction: string): Promise<string> {
    return this.#world.etcd.etcdctl(['txn', '-w', 'json'], { input: transaction });
  }

  /** Entitles a member besides those that are, at the position where it is. */
  async entitle(name: string): Promise<void> {
    const { entitled } = await this.record();
    const at = await this.member(name).value(
      `SELECT CASE WHEN pg_is_in_recovery() THEN greatest(pg_last_wal_receive_lsn(), pg_last_wal_replay_lsn())
                   ELSE pg_current_wal_flush_lsn() END`,
    );
    await this.put({ entitled: { ...entitled, [name]: at } });
  }

  /** All members run, the first one is the primary, the others stream from it and none of them is entitled. */
  async up(): Promise<void> {
    await Promise.all(this.members.map((member) => member.ok('start')));
    const primary = this.#first();
    await this.put({ entitled: { [primary.name]: await primary.value('SELECT pg_last_wal_replay_lsn()') } });
    await primary.ok('promote');
    const { timeline } = await this.record();
    const streams = `SELECT concat(status, ' ', received_tli) FROM pg_stat_wal_receiver`;
    // On the new timeline: before that it streams up to the end of the old one, and breaks off.
    const standbys = this.members.filter((member) => member !== primary);
    for (const member of standbys) await member.gives(streams, `streaming ${timeline}`);
    // A walreceiver that has just died leaves its last state behind.
    const sends = `SELECT count(*) FROM pg_stat_replication WHERE state = 'streaming'`;
    await primary.gives(sends, String(standbys.length));
  }

  async end(): Promise<void> {
    await Promise.all(this.members.map((member) => member.end()));
    execFileSync('rm', ['-rf', this.#folder]);
  }

  #first(): AgentMember {
    return this.members[0] ?? assert.fail('no members');
  }
}

function makeTemplate(data: string): void {
  const as = { ...serverIdentity(), cwd: '/', env: { LC_ALL: 'C', PATH: process.env['PATH'] } };
  const access = ['-U', 'postgres', '-A', 'trust', '--no-sync', '--no-instructions'];
  // Small WAL files: each member holds two of them at least.
  execFileSync(
    join(BINARIES, 'initdb'),
    ['-D', data, ...access, '-E', 'UTF8', '--locale=C', '--wal-segsize=1'],
    {
      ...as,
      stdio: ['ignore', 'ignore', 'pipe'],
    },
  );
  execFileSync(
    join(BINARIES, 'postgres'),
    ['--single', '-D', data, '-c', `max_connections=${FEWEST_CONNECTIONS}`, 'postgres'],
    {
      ...as,
      input: `${ROLES.join('\n')}\n`,
      stdio: ['pipe', 'ignore', 'pipe'],
    },
  );
}
