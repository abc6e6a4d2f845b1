import assert from 'node:assert/strict';
import { it } from 'node:test';
import type { ProxyListing, ProxyRegistry, Registration } from '../../src/domain/stores.js';
import type { ProxyState } from '../../src/domain/switchover.js';
import { proxyOf } from '../fakes/proxies.js';
import { eventually } from '../support/eventually.js';

const forever = new AbortController().signal;

export interface ProxyRegistrySetup {
  readonly registry: ProxyRegistry;
  readonly registrationOf: (id: string) => Registration<ProxyState>;
}

/** What every ProxyRegistry and its registrations do. `make` starts with no proxy known. */
export function proxyRegistryContract(make: () => Promise<ProxyRegistrySetup>): void {
  it('has no proxies at first', async () => {
    const { registry } = await make();
    assert.deepEqual(await registry.list(forever), { proxies: [], problems: [] });
    assert.deepEqual(await registry.seen(forever), []);
    assert.equal(await registry.forget('app01', forever), false);
  });

  it('lists who registers, with the newest state, until it ends; and remembers it until it is forgotten', async () => {
    const { registry, registrationOf } = await make();
    const ids = async (): Promise<readonly string[]> =>
      (await registry.list(forever)).proxies.map(({ id }) => id);
    const first = registrationOf('app02');
    const second = registrationOf('app01');
    const stop = new AbortController();
    const early = new AbortController();
    first.set(proxyOf('app02'));
    const running = [first.run(stop.signal), second.run(early.signal)];
    second.set(proxyOf('app01'));
    await eventually(async () => (await ids()).length === 2);
    assert.deepEqual((await registry.list(forever)).proxies, [proxyOf('app01'), proxyOf('app02')]);
    const paused = proxyOf('app02', { pause: { kind: 'paused', request: 'S1' } });
    for (let i = 0; i < 50; i += 1) first.set(proxyOf('app02', { clientsWaiting: i }));
    first.set(paused);
    await eventually(async () => (await registry.list(forever)).proxies[1]?.pause.kind === 'paused');
    assert.deepEqual((await registry.list(forever)).proxies[1], paused);
    early.abort();
    await running[1];
    assert.deepEqual(await ids(), ['app02']);
    assert.deepEqual(
      (await registry.seen(forever)).map(({ id, host }) => [id, host]),
      [
        ['app01', 'app01'],
        ['app02', 'app02'],
      ],
    );
    assert.equal(await registry.forget('app01', forever), true);
    assert.deepEqual(
      (await registry.seen(forever)).map(({ id }) => id),
      ['app02'],
    );
    stop.abort();
    await running[0];
    assert.deepEqual(await ids(), []);
  });

  it('follows: the list at once, and again with each change', async () => {
    const { registry, registrationOf } = await make();
    const seen: ProxyListing[] = [];
    const stop = new AbortController();
    const following = registry.follow((listing) => seen.push(listing), stop.signal);
    await eventually(() => seen.length === 1);
    assert.deepEqual(seen[0], { proxies: [], problems: [] });
    const registration = registrationOf('app01');
    const running = registration.run(stop.signal);
    registration.set(proxyOf('app01'));
    await eventually(() => seen.at(-1)?.proxies.length === 1);
    registration.set(proxyOf('app01', { error: 'the template is missing' }));
    await eventually(() => seen.at(-1)?.proxies[0]?.error === 'the template is missing');
    stop.abort();
    await Promise.all([following, running]);
  });
}
