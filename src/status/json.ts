import type { FoundLock, HistoryListing } from '../domain/stores.js';
import { history } from '../records/history.js';
import { lockHolder } from '../records/lock-holder.js';
import { pauseRequest } from '../records/pause-request.js';
import { proxyState } from '../records/proxy-state.js';
import { seenProxy } from '../records/seen-proxy.js';
import { clusterStatus, type StatusJson } from '../records/status.js';
import { switchoverReport } from '../records/switchover-report.js';
import { isWell, type ClusterStatus } from './cluster-status.js';

/** The document of `pgcm status --json`. */
export function statusJson(status: ClusterStatus): string {
  const { route, lock } = status;
  return clusterStatus.serialise({
    taken_at: status.takenAt,
    well: isWell(status),
    wrong: [...status.wrong],
    unknown: [...status.unknown],
    route: route && { address: route.address, revision: route.revision.toString(), since: route.since },
    members: status.members.map((member) => ({
      name: member.name,
      address: member.address,
      api: member.api,
      role: member.role,
      sync_state: member.syncState,
      online: member.online,
      streaming: member.streaming,
      lag_bytes: member.lag,
      timeline: member.timeline,
    })),
    proxies: status.proxies?.map((proxy) => proxyState.json(proxy)),
    vanished: status.vanished.map((seen) => seenProxy.json(seen)),
    lock: typeof lock === 'object' ? lockJson(lock) : undefined,
    request: typeof status.request === 'object' ? pauseRequest.json(status.request) : undefined,
    moves: status.moves && [...status.moves],
    entitled: status.entitled && [...status.entitled],
    obstacles: status.obstacles.map(({ kind, text, wayOut }) => ({ kind, text, way_out: wayOut })),
    history: status.history?.map((report) => switchoverReport.json(report)),
  });
}

function lockJson({ revision, holder }: FoundLock): NonNullable<StatusJson['lock']> {
  return { revision: revision.toString(), holder: holder && lockHolder.json(holder) };
}

/** The document of `pgcm history --json`. */
export function historyJson({ reports, problems }: HistoryListing): string {
  return history.serialise({
    reports: reports.map((report) => switchoverReport.json(report)),
    problems: [...problems],
  });
}
