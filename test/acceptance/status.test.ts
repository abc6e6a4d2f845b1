import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { hadSwitchover } from '../../bench/earlier-switchover.js';
import type { RunResult } from '../../playground/exec.js';
import { clusterStatus, type StatusJson } from '../../src/records/status.js';
import { history } from '../../src/records/history.js';
import { eventually } from '../support/eventually.js';
import { Cluster } from './cluster.js';
import { FailoverRun } from './failover-run.js';

describe('pgcm status and pgcm history on a real cluster', () => {
  let cluster: Cluster;
  before(async () => {
    cluster = await Cluster.shared('t-status');
    await hadSwitchover(cluster.playground);
  });
  after(() => cluster.down());

  const pgcm = (command: string, ...args: string[]): Promise<RunResult> =>
    cluster.run('client01', 'pgcm', command, '--config-file', '/etc/pgcm/config.toml', ...args);

  /** The status, its deadlines stretched for a machine that is busy. */
  async function status(): Promise<{ readonly exit: number; readonly json: StatusJson }> {
    const ran = await pgcm('status', '--json', '--health-check-timeout', '10s');
    return { exit: ran.status, json: clusterStatus.parse(Buffer.from(ran.stdout), 'stdout') };
  }

  it('is well when the cluster is, with every member and every proxy', async () => {
    let last = await status();
    // The members' own words settle some seconds after the cluster works.
    await eventually(async () => ((last = await status()).json.well ? true : false), {
      limit: 60_000,
      every: 1_000,
      what: 'all is well',
    }).catch(() => assert.fail(JSON.stringify(last)));
    const { exit, json } = last;
    assert.equal(exit, 0);
    const primary = await cluster.primary();
    assert.equal(json.route?.address, cluster.addressOf(primary));
    assert.deepEqual(
      json.members.map(({ name }) => name),
      cluster.nodes,
    );
    for (const member of json.members) {
      assert.equal(member.role, member.name === primary ? 'primary' : 'standby');
      assert.equal(member.timeline, json.members[0]?.timeline);
      if (member.name !== primary) assert.equal(member.streaming, true);
    }
    assert.deepEqual(json.proxies?.map(({ id }) => id).sort(), [...cluster.bouncers].sort());
    const { stdout } = await pgcm('status', '--health-check-timeout', '10s');
    for (const line of stdout.split('\n')) assert.ok(line.length <= 100, line);
  });

  it('tells of a failover, as the history does', async () => {
    const run = await FailoverRun.start(cluster.playground, 'client01');
    assert.ok([0, 6].includes(await run.status()), run.text);
    const { json } = await status();
    const [last] = json.history ?? [];
    assert.equal(last?.to?.address, json.route?.address);
    const reports = history.parse(Buffer.from((await pgcm('history', '--json')).stdout), 'stdout').reports;
    assert.equal(reports[0]?.id, last?.id);
    assert.match((await pgcm('history')).stdout, new RegExp(`switchover ${last?.id ?? ''}`));
  });

  it('says what does not answer and who is gone, with exit status 1', async () => {
    await cluster.service('pg03', 'stop', 'pgcm-supervise');
    await cluster.service('app01', 'stop', 'pgcm-proxy');
    const vanished = async (): Promise<boolean> => (await status()).json.vanished.length > 0;
    await eventually(vanished, { limit: 30_000, every: 500, what: 'app01 is gone' });
    const { exit, json } = await status();
    assert.equal(exit, 1);
    assert.match(json.unknown.join('\n'), /pg03:8080/);
    assert.match(json.wrong.join('\n'), /proxy app01 .*is gone/);
    assert.equal(json.members.length, 3);
    await cluster.service('pg03', 'start', 'pgcm-supervise');
    await cluster.service('app01', 'start', 'pgcm-proxy');
    await eventually(async () => (await status()).json.vanished.length === 0, {
      limit: 60_000,
      every: 500,
      what: 'app01 is back',
    });
  });
});
