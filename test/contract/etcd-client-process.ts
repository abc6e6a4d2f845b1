/**
 * A process of its own that uses etcd in every way, closes the client and does nothing more: it must
 * end by itself then. Says what it is about to do, for the test's messages.
 *
 * Usage: node etcd-client-process.js ENDPOINT...
 */
import { describeError } from '../../src/domain/errors.js';
import { EtcdFailoverLock } from '../../src/etcd/lock.js';
import { FakeLog } from '../fakes/log.js';
import { connect, forever, routesOf } from './etcd-support.js';

const say = (text: string): unknown => process.stdout.write(`${text}\n`);
process.on('unhandledRejection', (error) => {
  say(`UNHANDLED ${describeError(error)}`);
  process.exit(70);
});

const etcd = connect({ endpoints: process.argv.slice(2) }, { timeout: 1_000, dialTimeout: 500 });
const following = routesOf(etcd)
  .follow(() => say('reading'), forever)
  .catch((error: unknown) => say(`follow: ${describeError(error)}`));
const lock = new EtcdFailoverLock(etcd, '/master', new FakeLog(), 120_000);
const holder = { id: 'child', host: 'here', pid: process.pid, since: 'now' };
const locking = lock
  .acquire(holder, AbortSignal.timeout(1_500))
  .then((held) => held.lost.addEventListener('abort', () => say(`lost: ${describeError(held.lost.reason)}`)))
  .catch((error: unknown) => say(`lock: ${describeError(error)}`));
await locking;
say('close');
etcd.close();
await following;
say('done');
