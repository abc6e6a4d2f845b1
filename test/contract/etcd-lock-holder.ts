/**
 * A process of its own that takes the failover lock, to be killed and frozen by a test. Prints
 * `held` when it has it; for each line on its input it says first thing whether it has lost it.
 *
 * Usage: node etcd-lock-holder.js ENDPOINT TTL_MS
 */
import { describeError } from '../../src/domain/errors.js';
import { EtcdFailoverLock } from '../../src/etcd/lock.js';
import { FakeLog } from '../fakes/log.js';
import { connect, forever } from './etcd-support.js';

const [endpoint = '', ttl = ''] = process.argv.slice(2);
const etcd = connect({ endpoints: [endpoint] });
const lock = new EtcdFailoverLock(etcd, '/master', new FakeLog(), Number(ttl));
const held = await lock.acquire({ id: 'child', host: 'here', pid: process.pid, since: 'now' }, forever);
process.stdout.write('held\n');

process.stdin.on('data', () => {
  const { lost } = held;
  process.stdout.write(lost.aborted ? `lost ${describeError(lost.reason)}\n` : 'kept\n');
});
process.stdin.on('end', () => etcd.close());
