import assert from 'node:assert/strict';
import { after, before, it } from 'node:test';
import { hadSwitchover } from '../../bench/earlier-switchover.js';
import { Load } from '../faults/load.js';
import { Cluster } from './cluster.js';
import { FailoverRun } from './failover-run.js';

// An application in a network namespace of its own on app01, as a container has: what it reaches is the
// host's end of its cable, and with it the PgBouncer of app01 and nothing else of the cluster.

const host = '172.31.0.1';
const application = ['nsenter', '--net=/run/netns/application', '--'];

let cluster: Cluster;
before(async () => {
  cluster = await Cluster.shared('t-app-namespace');
  await hadSwitchover(cluster.playground);
  const commands = [
    'ip netns add application',
    'ip link add to-app type veth peer name eth0 netns application',
    `ip addr add ${host}/24 dev to-app`,
    'ip link set to-app up',
    'ip -n application addr add 172.31.0.2/24 dev eth0',
    'ip -n application link set eth0 up',
  ];
  await cluster.output('app01', 'sh', '-ec', commands.join('\n'));
});
after(() => cluster.down());

it("the namespace reaches app01's bouncer, and no Postgres node", async () => {
  const psql = (address: string): string[] => [
    ...[...application, 'psql', '-XAtc', 'select 1'],
    `host=${address} port=6432 dbname=app user=app connect_timeout=2`,
  ];
  assert.equal(await cluster.output('app01', ...psql(host)), '1');
  assert.notEqual((await cluster.run('app01', ...psql('10.77.0.11'))).status, 0);
});

for (const round of [1, 2]) {
  it(`an application there sees no error in a planned switchover (${round})`, async () => {
    await cluster.heal();
    const [old, target] = [await cluster.primary(), await cluster.sync()];
    const load = await Load.start(cluster, `container_${round}`, {
      targets: [{ name: 'app01', host, port: 6432, clients: 3 }],
      place: { host: 'app01', through: application },
    });
    try {
      await load.untilAllRun(10_000);
      const run = await FailoverRun.start(cluster.playground, 'client01');
      assert.equal(await run.status(), 0, run.text);
      await load.untilAllRun(10_000);
      await load.stop();
      assert.deepEqual(load.failures(), []);
      assert.deepEqual(await load.lost(), []);
      assert.ok(load.acks().length > 10, `it wrote ${load.acks().length} times only`);
      assert.notEqual(old, target);
      assert.equal(await cluster.primary(), target);
      await cluster.assertCalm();
    } finally {
      load.kill();
    }
  });
}
