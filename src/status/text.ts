import type { ProxyState, SwitchoverReport } from '../domain/switchover.js';
import { isWell, type ClusterStatus, type MemberStatus } from './cluster-status.js';
import { columns, plain } from './columns.js';
import { age, bytes, span } from './words.js';

/** The status for people. */
export function statusText(status: ClusterStatus): string {
  const parts = [
    facts(status),
    membersText(status),
    proxiesText(status),
    lastText(status.history),
    section('Wrong', status.wrong),
    section('Not known', status.unknown),
    isWell(status) ? ['All is well.'] : [],
  ];
  const shown = parts.filter((lines) => lines.length > 0).map((lines) => lines.join('\n'));
  return `${shown.join('\n\n')}\n`;
}

function section(title: string, texts: readonly string[]): readonly string[] {
  return texts.length === 0 ? [] : [title, ...texts.map((text) => `  ${plain(text)}`)];
}

function facts({
  route,
  members,
  lock,
  request,
  moves,
  entitled,
  takenAt,
}: ClusterStatus): readonly string[] {
  const name = members.find(({ address }) => address !== '' && address === route?.address)?.name;
  const since = route?.since === undefined ? '' : `, for ${age(route.since, takenAt)}`;
  const rows = [
    [
      'Route',
      route === undefined ? 'not known' : `${route.address}${name === undefined ? '' : ` (${name})`}${since}`,
    ],
    ['Lock', lockText(lock, takenAt)],
    ...(request === undefined || request === 'none'
      ? []
      : [['Request', `phase ${request.phase} of switchover ${request.id}`]]),
    [
      'Moves',
      moves === undefined
        ? 'not known'
        : moves.length === 0
          ? 'none'
          : `asked for by switchover ${moves.join(', ')}`,
    ],
    ...(entitled === undefined ? [] : [['Entitled', `${entitled.join(', ')} may be promoted`]]),
  ];
  return rows.map(([what = '', text = '']) => `${what.padEnd(9)}${plain(text)}`);
}

function lockText(lock: ClusterStatus['lock'], now: string): string {
  if (lock === undefined) return 'not known';
  if (lock === 'free') return 'free';
  if (lock.holder === undefined)
    return 'held by somebody who left no name, as pgsql-cluster-manager does not';
  const { id, host, pid, since } = lock.holder;
  return `held by switchover ${id} on ${host}, pid ${pid}, for ${age(since, now)}`;
}

function membersText({ members }: ClusterStatus): readonly string[] {
  if (members.length === 0) return ['Members  not known'];
  return columns(
    ['MEMBER', 'ADDRESS', 'ROLE', 'SYNC', 'WAL', 'LAG', 'TIMELINE', 'API'],
    members.map((member) => [
      member.name,
      member.address || '-',
      member.online ? member.role : 'offline',
      member.role === 'standby' ? member.syncState : '-',
      walOf(member),
      bytes(member.lag),
      member.timeline === undefined ? '-' : String(member.timeline),
      member.api || '-',
    ]),
  );
}

function walOf({ streaming }: MemberStatus): string {
  return streaming === undefined ? '-' : streaming ? 'streaming' : 'none';
}

function proxiesText({ proxies, vanished, route }: ClusterStatus): readonly string[] {
  if (proxies === undefined) return ['Proxies  not known'];
  if (proxies.length + vanished.length === 0) return ['Proxies  none'];
  const rows = proxies.map((proxy) => [
    proxy.id,
    proxy.host,
    proxy.route === undefined ? 'none' : `${proxy.route.address}${currency(proxy, route)}`,
    proxy.hold.kind === 'none' ? proxy.pause.kind : heldText[proxy.hold.kind],
    String(proxy.clientsWaiting),
    `${proxy.bouncers.filter(({ error }) => error === '').length} of ${proxy.bouncers.length}`,
  ]);
  const gone = vanished.map(({ id, host }) => [id, host, 'gone', '-', '-', '-']);
  return columns(['PROXY', 'HOST', 'ROUTE', 'PAUSE', 'WAITING', 'BOUNCERS'], [...rows, ...gone]);
}

/** In place of the pause: nobody asked for it. */
const heldText = { held: 'held: no primary', over: 'held too long' } as const;

function currency(proxy: ProxyState, route: ClusterStatus['route']): string {
  if (proxy.route === undefined || route === undefined) return '';
  return proxy.route.revision >= route.revision ? ' (current)' : ' (old)';
}

function lastText(reports: readonly SwitchoverReport[] | undefined): readonly string[] {
  if (reports === undefined) return ['Last failovers  not known'];
  if (reports.length === 0) return ['Last failovers  none'];
  const lines = columns(
    ['BEGUN (UTC)', 'OUTCOME', 'MOVE', 'CLIENTS'],
    reports.map((report) => [
      report.startedAt.slice(0, 19).replace('T', ' '),
      `${report.outcome} (${report.status})`,
      `${report.from?.name ?? '?'} -> ${report.to?.name ?? '?'}`,
      report.pause === 0 ? 'not paused' : `paused for ${span(report.pause)}`,
    ]),
  );
  return ['Last failovers', ...lines.map((line) => `  ${line}`)];
}
