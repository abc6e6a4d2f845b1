import type { Obstacle } from '../../domain/inspection.js';
import type { LocationConstraint, Preference } from './constraints.js';
import { primitiveOf } from './crm-mon.js';
import type { CrmMon, MonFailure, MonNode } from './crm-mon-xml.js';
import { switchoverOf } from './moves.js';

/** What Pacemaker has at a moment that forbids a move. */
export interface Situation {
  readonly mon: CrmMon;
  readonly constraints: readonly LocationConstraint[];
  /** The id of the promotable clone. */
  readonly resource: string;
  /** What the designated controller says that it does; `S_IDLE` when nothing is going on. */
  readonly controller: string;
  /** The file by which the agent keeps a demoted primary down; undefined where it has none. */
  readonly lockFile: string | undefined;
  /** The wall clock, in ms since 1970: ends of constraints are dates. */
  readonly now: number;
}

/** A controller that has nothing to do. */
export const IDLE = 'S_IDLE';

/** Everything that would make a move wait, fail, or go elsewhere. */
export function obstaclesOf(situation: Situation): readonly Obstacle[] {
  return [
    ...maintenance(situation),
    ...uncleanNodes(situation),
    ...failedActions(situation),
    ...pendingActions(situation),
    ...preferencesOfOthers(situation),
  ];
}

function* maintenance({ mon, resource }: Situation): Generator<Obstacle> {
  const options = mon.summary.cluster_options;
  const found = (text: string, wayOut: string): Obstacle => ({ kind: 'maintenance', text, wayOut });
  if (options?.['@maintenance-mode'] === true) {
    yield found(
      'the cluster is in maintenance mode: Pacemaker starts, stops and moves nothing',
      'crm_attribute --name maintenance-mode --delete',
    );
  } else if (!mon.managed || mon.instances.some((i) => !i['@managed'])) {
    yield found(
      `${resource} is unmanaged: Pacemaker does not move it`,
      `crm_resource --resource ${resource} --meta --set-parameter is-managed --parameter-value true`,
    );
  }
  if (options?.['@stop-all-resources'] === true) {
    yield found(
      'stop-all-resources is set: Pacemaker stops everything',
      'crm_attribute --name stop-all-resources --delete',
    );
  }
  for (const node of mon.nodes) yield* nodeMaintenance(node, found);
}

function* nodeMaintenance(
  node: MonNode,
  found: (text: string, wayOut: string) => Obstacle,
): Generator<Obstacle> {
  const name = node['@name'];
  if (node['@maintenance']) {
    yield found(`${name} is in maintenance mode`, `crm_attribute --node ${name} --name maintenance --delete`);
  }
  if (node['@standby'] || node['@standby_onfail']) {
    const why = node['@standby_onfail'] ? ', since an action failed there' : '';
    yield found(
      `${name} is in standby mode: Pacemaker runs nothing there${why}`,
      `crm_standby --node ${name} --delete`,
    );
  }
}

function* uncleanNodes({ mon }: Situation): Generator<Obstacle> {
  for (const node of mon.nodes) {
    if (!node['@unclean']) continue;
    yield {
      kind: 'unclean-node',
      text: `${node['@name']} is unclean: what runs there is not known until it has been fenced`,
      wayOut: `wait until it is fenced; if that fails, switch it off by hand and run: stonith_admin --confirm ${node['@name']}`,
    };
  }
}

function* failedActions({ mon, resource, lockFile }: Situation): Generator<Obstacle> {
  const own = new Set(mon.instances.map(primitiveOf));
  const failures = mon.failures.filter((f) => own.has(resourceOf(f)));
  const remove =
    lockFile === undefined
      ? ''
      : ` (an old primary is kept down by ${lockFile}: if its data have not diverged, remove that there first)`;
  for (const failure of failures) {
    const node = failure['@node'];
    yield {
      kind: 'failed-action',
      text: describeFailure(failure),
      wayOut: `find the cause, mend it, then run: crm_resource --cleanup --resource ${resource} --node ${node}${remove}`,
    };
  }
  for (const instance of mon.instances) {
    if (!instance['@blocked']) continue;
    const where = instance.node.map((n) => n['@name']).join(', ') || 'no node';
    yield {
      kind: 'failed-action',
      text: `${primitiveOf(instance)} is blocked on ${where}: an action failed there, and Pacemaker waits for an operator`,
      wayOut: `find the cause, mend it, then run: crm_resource --cleanup --resource ${resource}`,
    };
  }
}

/** op_key is RESOURCE_TASK_INTERVAL, and the resource's name may have underscores. */
function resourceOf(failure: MonFailure): string {
  const [, resource = ''] = /^(.*)_[a-z-]+_\d+$/.exec(failure['@op_key'] ?? '') ?? [];
  return resource.replace(/:\d+$/, '');
}

function describeFailure(failure: MonFailure): string {
  const task = failure['@task'] ?? failure['@op_key'] ?? 'an action';
  const at = failure['@last-rc-change'] === undefined ? '' : ` at ${failure['@last-rc-change']}`;
  const status = ['', 'complete', 'done'].includes(failure['@status']) ? '' : ` (${failure['@status']})`;
  const reason = failure['@exitreason'] === '' ? '' : `: ${failure['@exitreason']}`;
  return `${task} of ${resourceOf(failure)} failed on ${failure['@node']}${at}: ${failure['@exitstatus']}${status}${reason}`;
}

/**
 * crm_mon's own `pending` marks are no proof: a recurring monitor that was cancelled keeps one for ever.
 * So what the controller does is asked of it.
 */
function* pendingActions({ mon, controller }: Situation): Generator<Obstacle> {
  const found = (text: string, wayOut: string): Obstacle => ({ kind: 'pending-action', text, wayOut });
  if (controller !== IDLE) {
    const doing = mon.instances.flatMap((i) => i['@pending'] ?? []);
    const what = doing.length > 0 ? `, ${[...new Set(doing)].join(', ')}` : '';
    yield found(
      `Pacemaker is in the middle of something: its controller is in state ${controller}${what}`,
      'wait until it is done: crm_resource --wait --timeout 60s',
    );
  }
  for (const node of mon.nodes) {
    if (node['@pending']) yield found(`${node['@name']} is joining the cluster`, 'wait until it has joined');
  }
}

function* preferencesOfOthers(situation: Situation): Generator<Obstacle> {
  const { constraints, resource, now } = situation;
  for (const constraint of constraints) {
    if (switchoverOf(constraint.id) !== undefined || !isAbout(constraint, situation)) continue;
    const acting = constraint.preferences.filter((p) => p.end === undefined || p.end > now);
    const wayOut = wayOutOf(constraint, resource);
    const ban = acting.find((p) => isBan(p, constraint, situation));
    if (ban !== undefined) {
      const whom = ban.node ?? 'some nodes';
      const text = `${constraint.id} bans ${resource} ${asRole(ban)}from ${whom}`;
      yield { kind: 'ban', text, wayOut };
      continue;
    }
    const preference = acting.find((p) => isPreference(p, constraint));
    if (preference !== undefined) {
      const whom = preference.node ?? 'some nodes';
      const text = `${constraint.id} holds ${resource} ${asRole(preference)}on ${whom}`;
      yield { kind: 'preference', text, wayOut };
    }
  }
}

/** Whether it names the clone, or what is in it. */
function isAbout({ resources, pattern }: LocationConstraint, { mon, resource }: Situation): boolean {
  const own = [resource, ...mon.instances.map(primitiveOf)];
  if (resources.some((one) => own.includes(one))) return true;
  if (pattern === undefined) return false;
  try {
    const expression = new RegExp(pattern);
    return own.some((one) => expression.test(one));
  } catch {
    // POSIX knows expressions that JavaScript does not: whom it means is not known, so it may be ours.
    return true;
  }
}

/**
 * A ban for good, by the site's own configuration, from a node where PostgreSQL does not run anyway (an
 * arbiter) is no obstacle; one that crm_resource made (`cli-ban-*`) is an operator's of the moment.
 */
function isBan(preference: Preference, { id }: LocationConstraint, { mon }: Situation): boolean {
  if (!isInfinite(preference.score, '-')) return false;
  if (id.startsWith('cli-') || preference.node === undefined || isForPromoted(preference)) return true;
  return mon.instances.some((i) => i['@active'] && i.node.some((n) => n['@name'] === preference.node));
}

/** That PostgreSQL runs on a node at all, whatever its role, is no preference for a primary. */
function isPreference(preference: Preference, { id }: LocationConstraint): boolean {
  if (!isInfinite(preference.score, '+')) return false;
  return id.startsWith('cli-') || isForPromoted(preference);
}

function isForPromoted({ role }: Preference): boolean {
  return role === 'Promoted' || role === 'Master';
}

/** 1000000 and above is infinite for Pacemaker, too. */
function isInfinite(score: string, sign: '+' | '-'): boolean {
  if (/^-/.test(score) !== (sign === '-')) return false;
  return /INFINITY$/i.test(score) || Math.abs(Number(score)) >= 1_000_000;
}

function asRole({ role }: Preference): string {
  return role === undefined ? '' : `(as ${role}) `;
}

function wayOutOf({ id }: LocationConstraint, resource: string): string {
  const remove = `cibadmin --delete --xml-text '<rsc_location id="${id}"/>'`;
  return id.startsWith('cli-')
    ? `if it is not needed any more, run: ${remove} (crm_resource --resource ${resource} --clear takes all of them)`
    : `if it is not needed any more, run: ${remove}`;
}
