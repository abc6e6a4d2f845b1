import type { RouteView, ViewedMember } from '../domain/route-view.js';

/** What a name stands for: one text, a list to go over with #each, or a thing with names of its own. */
export type Shape = (
  | { readonly kind: 'text' }
  | { readonly kind: 'list'; readonly item: Shape }
  | { readonly kind: 'fields'; readonly fields: Readonly<Record<string, Shape>> }
) & {
  /** It may be missing: a template may use it only where #if says that it is there. */
  readonly optional?: true;
};

const text: Shape = { kind: 'text' };

const member: Shape = {
  kind: 'fields',
  fields: {
    Name: text,
    Address: text,
    Role: text,
    SyncState: text,
    Lag: { kind: 'text', optional: true },
    Healthy: text,
  },
};

const members: Shape = { kind: 'list', item: member };

/**
 * Every name that a template may use, and nothing else: a misspelt one would render as nothing, and
 * PgBouncer would take a `host=` without a value for its own machine's unix socket.
 */
export const templateNames = {
  kind: 'fields',
  fields: {
    Host: text,
    host: text,
    Sync: { ...member, optional: true },
    Standbys: members,
    Replicas: members,
    Members: members,
    Cluster: {
      kind: 'fields',
      fields: { SystemIdentifier: text, Timeline: text, State: text },
      optional: true,
    },
  },
} as const satisfies Shape;

/** The names with their values: plain objects, as Handlebars reads getters and Maps as nothing. */
export function templateContext(view: RouteView): Record<keyof typeof templateNames.fields, unknown> {
  const { host, sync, standbys, replicas, cluster } = view;
  return {
    Host: host,
    host,
    Sync: sync === undefined ? false : named(sync),
    Standbys: standbys.map(named),
    Replicas: replicas.map(named),
    Members: view.members.map(named),
    Cluster: cluster !== undefined && {
      SystemIdentifier: cluster.systemIdentifier,
      Timeline: String(cluster.timeline),
      State: cluster.state,
    },
  };
}

/** Numbers as text: to #if a lag of 0 would be none. */
function named({ name, address, role, syncState, lag, healthy }: ViewedMember): Record<string, unknown> {
  return {
    Name: name,
    Address: address,
    Role: role,
    SyncState: syncState,
    Lag: lag === undefined ? '' : String(lag),
    Healthy: healthy,
  };
}
