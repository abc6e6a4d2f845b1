import assert from 'node:assert/strict';
import { Playground, type UpOptions } from '../../playground/client.js';
import { PlaygroundError } from '../../playground/errors.js';
import { asPostgres, look, missingInCluster, type ClusterView } from '../../playground/cluster.js';
import { rejoin } from '../../playground/rejoin.js';
import type { RunResult } from '../../playground/exec.js';
import { eventually } from '../support/eventually.js';

/** The members' addresses as one argument of etcdctl. */
const ENDPOINTS = '--endpoints=10.77.0.11:2379,10.77.0.12:2379,10.77.0.13:2379';

/** A playground with the questions that acceptance tests ask. */
export class Cluster {
  readonly nodes = ['pg01', 'pg02', 'pg03'] as const;
  /** Every host with a PgBouncer. */
  readonly bouncers = [...this.nodes, 'app01'] as const;

  private constructor(
    readonly playground: Playground,
    private readonly isShared = false,
  ) {}

  /**
   * @param name the playground's, one per test file
   * @param options pgcm's own agent unless they say 'stock'
   */
  static async up(name: string, options: UpOptions = {}): Promise<Cluster> {
    return new Cluster(await Playground.up({ name, log: () => undefined, ...options }));
  }

  /**
   * A cluster for tests that leave it whole, services and programs included: the one that the file before has left so, if there
   * is one. Its primary was moved before, and its history, counters and tables are not empty.
   * @param name of a playground of its own, where nobody runs several files
   */
  static async shared(name: string): Promise<Cluster> {
    const shared = process.env['PGCM_TEST_SHARED'];
    if (shared === undefined) return Cluster.up(name);
    const found = attached(shared);
    if (found !== undefined) {
      const cluster = new Cluster(found, true);
      const whole = await cluster.heal().then(
        () => true,
        () => false,
      );
      if (whole) return cluster;
      await found.down();
    }
    return new Cluster(await Playground.up({ name: shared, log: () => undefined }), true);
  }

  /** A shared one stays; who runs the files ends it. */
  async down(): Promise<void> {
    if (!this.isShared) await this.playground.down();
  }

  addressOf(node: string): string {
    return `10.77.0.1${node.slice(-1)}`;
  }

  run(host: string, ...argv: string[]): Promise<RunResult> {
    return this.playground.exec(host, argv);
  }

  /** The output of a command that must succeed. */
  async output(host: string, ...argv: string[]): Promise<string> {
    const { status, stdout, stderr } = await this.run(host, ...argv);
    assert.equal(status, 0, `${host}: ${argv.join(' ')}: ${stderr}`);
    return stdout.trim();
  }

  etcdctl(...args: string[]): Promise<string> {
    return this.output('client01', 'env', 'ETCDCTL_API=3', 'etcdctl', ENDPOINTS, ...args);
  }

  key(): Promise<string> {
    return this.etcdctl('get', '--print-value-only', '/master');
  }

  /** A large value goes through stdin, an empty one cannot. */
  async putKey(value: string): Promise<void> {
    const put = ['env', 'ETCDCTL_API=3', 'etcdctl', ENDPOINTS, 'put', '--', '/master'];
    const large = value.length > 1_000;
    const { status, stderr } = await this.playground.exec('client01', large ? put : [...put, value], {
      input: large ? value : '',
    });
    assert.equal(status, 0, stderr);
  }

  /** The keys of those who hold the failover lock or wait for it. */
  async locks(): Promise<readonly string[]> {
    const keys = await this.etcdctl('get', '--prefix', '--keys-only', '/master/');
    return keys.split('\n').filter((line) => line !== '');
  }

  /** As this node sees it; one that is on, unless given. */
  async view(node?: string): Promise<ClusterView> {
    const hosts = await this.playground.hosts('postgres');
    const on = hosts.find(({ power }) => power === 'on')?.name ?? assert.fail('no node is on');
    return look(this.playground, node ?? on);
  }

  /** As Pacemaker says: with the stock agent some time after the promotion. */
  async primary(): Promise<string> {
    let primary: string | undefined;
    const known = async (): Promise<boolean> => (primary = (await this.view()).primary) !== undefined;
    await eventually(known, { limit: 30_000, every: 100, what: 'Pacemaker names a primary' });
    return primary ?? '';
  }

  /** Where a new client of that host's bouncer ends up: the address of a server that is not in recovery. */
  leadsTo(bouncer: string): Promise<string> {
    const url = `host=${bouncer} port=6432 dbname=app user=app connect_timeout=5`;
    const sql = "select case when pg_is_in_recovery() then 'standby' else host(inet_server_addr()) end";
    return this.output('client01', 'psql', '-XAtc', sql, url);
  }

  async sync(): Promise<string> {
    const sql = "select application_name from pg_stat_replication where sync_state = 'sync'";
    return this.output(await this.primary(), ...asPostgres('psql', '-XAtc', sql));
  }

  async timeline(node: string): Promise<number> {
    const sql = "select ('x' || substr(pg_walfile_name(pg_current_wal_lsn()), 1, 8))::bit(32)::int";
    return Number(await this.output(node, ...asPostgres('psql', '-XAtc', sql)));
  }

  /** The constraint that a move leaves in Pacemaker, if it is there. */
  async hasConstraint(): Promise<boolean> {
    const { status } = await this.run(
      'pg01',
      'cibadmin',
      '-Q',
      '--xpath',
      "//rsc_location[starts-with(@id,'cli-') or starts-with(@id,'pgcm-move-')]",
    );
    assert.ok(status === 0 || status === 105, `cibadmin: ${status}`);
    return status === 0;
  }

  /** Clients run through every bouncer, and nothing of a switchover is left. */
  async assertCalm(): Promise<void> {
    const primary = this.addressOf(await this.primary());
    for (const bouncer of this.bouncers) assert.equal(await this.leadsTo(bouncer), primary, bouncer);
    assert.deepEqual(await this.locks(), []);
    assert.equal(await this.hasConstraint(), false, 'a constraint is left');
  }

  /** The stock agent leaves a demoted primary down: brings it back, and waits until all is as at the start. */
  async heal(): Promise<void> {
    await rejoin(this.playground);
    await eventually(async () => (await missingInCluster(this.playground)) === undefined, {
      limit: 90_000,
      every: 200,
      what: 'a whole cluster again',
    });
  }

  /** A service of the host, as its supervisor knows it. */
  service(host: string, verb: 'start' | 'stop' | 'restart', name: string): Promise<string> {
    return this.output(host, 'python3', '/opt/pgcm/docker/init.py', 'ctl', verb, name);
  }

  pid(host: string, service: string): Promise<string> {
    return this.output(host, 'cat', `/run/node/services/${service}/pid`);
  }

  /** The log lines of a service that came after `mark` (see logMark). */
  async logSince(host: string, service: string, mark: number): Promise<readonly Record<string, unknown>[]> {
    const text = await this.output(host, 'tail', '-c', `+${mark + 1}`, `/var/log/node/${service}.log`);
    const lines = text.split('\n').filter((line) => line.startsWith('{'));
    return lines.map((line) => JSON.parse(line) as Record<string, unknown>);
  }

  async logMark(host: string, service: string): Promise<number> {
    return Number(await this.output(host, 'stat', '-c', '%s', `/var/log/node/${service}.log`));
  }
}

function attached(name: string): Playground | undefined {
  try {
    return Playground.attach(name);
  } catch (error) {
    if (error instanceof PlaygroundError) return undefined;
    throw error;
  }
}
