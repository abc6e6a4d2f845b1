import type { BouncerInspection } from '../../domain/inspection.js';
import type { Finding, ProxyState } from '../../domain/switchover.js';
import type { Milliseconds } from '../../domain/time.js';
import { formatDuration } from '../../runtime/durations.js';
import { labelOf, valueOf, type Facts } from '../facts.js';
import { notice, overridable } from './finding.js';

/** Whether every bouncer can be paused, and led elsewhere: those of the proxies and those of the nodes. */
export function bouncerFindings(facts: Facts, expiry: Milliseconds | 'never'): readonly Finding[] {
  const listing = valueOf(facts.proxies);
  const proxies = listing?.proxies ?? [];
  const unread = (listing?.problems ?? []).map((text) =>
    overridable({ kind: 'unread-proxy', text, wayOut: 'restart that proxy, or remove its key' }),
  );
  return [
    ...unread,
    ...proxies.flatMap((proxy) => [
      ...stale(proxy, facts),
      ...holding(proxy),
      ...proxy.bouncers.flatMap(each(proxy.id, expiry)),
    ]),
    ...vanished(facts, proxies),
    ...nodes(facts, proxies).flatMap(({ subject, bouncers }) => bouncers.flatMap(each(subject, expiry))),
  ];
}

function stale({ id, host, route, error }: ProxyState, facts: Facts): readonly Finding[] {
  const subject = id;
  const wayOut = `see the log of pgcm proxy on ${host}, or go on without its clients (--force)`;
  if (error !== '') return [overridable({ kind: 'stale-proxy', subject, text: error, wayOut })];
  const published = valueOf(facts.route);
  if (published?.kind !== 'route') return [];
  const { address, revision } = published.route;
  if (route?.revision === revision && route.address === address) return [];
  const at =
    route === undefined
      ? 'it leads nowhere yet'
      : `it leads to ${route.address} (revision ${route.revision})`;
  const text = `${at}, and not to the published ${address} (revision ${revision})`;
  return [overridable({ kind: 'stale-proxy', subject, text, wayOut })];
}

/** It finds no primary where the cluster has one: from its host the new one may be out of reach as well. */
function holding({ id, host, hold }: ProxyState): readonly Finding[] {
  if (hold.kind === 'none') return [];
  const does =
    hold.kind === 'held'
      ? 'it holds its clients, as its own probe finds no primary'
      : 'its clients run into errors, as its own probe finds no primary and they had waited for too long';
  return [
    overridable({
      kind: 'clients-held',
      subject: id,
      text: `${does}: ${hold.why}`,
      wayOut: `see the log of pgcm proxy on ${host} for what keeps it from the primary, or go on without its clients (--force)`,
    }),
  ];
}

function each(subject: string, expiry: Milliseconds | 'never') {
  return ({ name, error, sessionPooled, queryWaitTimeout }: BouncerInspection): readonly Finding[] => {
    const findings: Finding[] = [];
    if (error !== '') {
      const wayOut = 'start that PgBouncer, or go on without its clients (--force)';
      findings.push(overridable({ kind: 'bouncer-silent', subject, text: `${name}: ${error}`, wayOut }));
    }
    if (sessionPooled.length > 0) {
      const text = `${name}: session pooling for ${sessionPooled.join(', ')}: a pause waits until their clients leave`;
      findings.push(
        overridable({ kind: 'session-pooling', subject, text, wayOut: 'pool_mode = transaction for them' }),
      );
    }
    const waits = expiry === 'never' ? Number.POSITIVE_INFINITY : expiry;
    if (queryWaitTimeout !== undefined && queryWaitTimeout > 0 && queryWaitTimeout < waits) {
      const longest = expiry === 'never' ? 'without end' : formatDuration(expiry);
      const text = `${name}: query_wait_timeout (${formatDuration(queryWaitTimeout)}) is shorter than pause-expiry (${longest}): clients that wait longer are disconnected`;
      findings.push(
        overridable({
          kind: 'query-wait-timeout',
          subject,
          text,
          wayOut: 'raise query_wait_timeout, or lower pause-expiry',
        }),
      );
    }
    return findings;
  };
}

/**
 * Of an app host nobody pauses the clients then. On a Postgres node supervise does, and takes the place of the
 * proxy only half: nobody leads that PgBouncer to the new primary.
 */
function vanished(facts: Facts, proxies: readonly ProxyState[]): readonly Finding[] {
  const registered = new Set(proxies.map(({ id }) => id));
  const alone = new Set(nodes(facts, proxies).map(({ subject }) => shortName(subject)));
  return (valueOf(facts.seen) ?? [])
    .filter(({ id }) => !registered.has(id))
    .map(({ id, host, since }) => {
      const what = `this proxy${host === '' ? '' : ` on ${host}`} was here${since === '' ? '' : ` (${since})`} and is not registered now`;
      const parts = { kind: 'vanished-proxy', subject: id };
      if (host === '' || !alone.has(shortName(host))) {
        return notice({
          ...parts,
          text: `${what}: clients of its PgBouncer would not be paused`,
          wayOut: `start it; if it is gone for good: pgcm cleanup --forget-proxy ${id}`,
        });
      }
      return overridable({
        ...parts,
        text: `${what}: supervise would pause the clients of its PgBouncer, and nobody would lead them to the new primary: they would wait for all of pause-expiry`,
        wayOut: `start pgcm proxy there; if another program leads that PgBouncer now: pgcm cleanup --forget-proxy ${id}`,
      });
    });
}

/** Pacemaker knows a node by its host's name, with or without the domain. */
function shortName(host: string): string {
  return host.split('.')[0]?.toLowerCase() ?? '';
}

/** Nodes whose bouncers no registered proxy tells of. */
function nodes(
  facts: Facts,
  proxies: readonly ProxyState[],
): readonly { readonly subject: string; readonly bouncers: readonly BouncerInspection[] }[] {
  const registered = new Set(proxies.map(({ id }) => id));
  return facts.nodes.flatMap((node) => {
    const inspection = valueOf(node.inspection);
    if (inspection === undefined || registered.has(inspection.proxy)) return [];
    return [{ subject: labelOf(node), bouncers: inspection.bouncers }];
  });
}
