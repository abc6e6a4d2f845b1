import { parseAddress, type Address } from '../domain/address.js';
import type { RouteView, ViewedMember } from '../domain/route-view.js';

/** For trials: addresses that are reserved for documentation (RFC 5737), and so nobody's. */
export const TRIAL_HOST = parseAddress('192.0.2.1');

/** A cluster that is not there, as a template may meet it: with a primary, a standby and everything known. */
export function trialView(parts: Partial<RouteView> = {}): RouteView {
  const primary = member('trial1', TRIAL_HOST, 'primary');
  const standby = member('trial2', parseAddress('192.0.2.2'), 'standby');
  return {
    host: TRIAL_HOST,
    sync: standby,
    standbys: [standby],
    replicas: [standby],
    members: [primary, standby],
    cluster: { systemIdentifier: '7318294650912345678', timeline: 1, state: 'up' },
    refused: [],
    ...parts,
  };
}

/** What may be missing, in all its combinations: each view is one that a template has to be ready for. */
export function* trialViews(): Generator<RouteView> {
  const full = trialView();
  const missing: readonly Partial<RouteView>[] = [
    { sync: undefined },
    { standbys: [] },
    { replicas: [] },
    { members: [] },
    { cluster: undefined },
  ];
  for (let which = 0; which < 2 ** missing.length; which += 1) {
    yield Object.assign({}, full, ...missing.filter((_, at) => (which & (1 << at)) !== 0));
  }
}

function member(name: string, address: Address, role: 'primary' | 'standby'): ViewedMember {
  const syncState = role === 'primary' ? 'unknown' : 'sync';
  return { name, address, role, syncState, lag: undefined, healthy: true };
}
