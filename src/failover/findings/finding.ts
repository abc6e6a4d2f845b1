import type { Finding } from '../../domain/switchover.js';

interface Parts {
  readonly kind: string;
  /** Empty for the cluster. */
  readonly subject?: string;
  readonly text: string;
  readonly wayOut?: string;
}

/** It risks data, or two primaries: nothing overrides it. */
export const forbids = (parts: Parts): Finding => finding('forbids', parts);

/** It risks only that clients wait or see errors: --force overrides it. */
export const overridable = (parts: Parts): Finding => finding('overridable', parts);

/** For the reader. */
export const notice = (parts: Parts): Finding => finding('notice', parts);

function finding(weight: Finding['weight'], { kind, subject = '', text, wayOut = '' }: Parts): Finding {
  return { weight, kind, subject, text, wayOut };
}

/** A finding in one line, for a message. */
export function describeFinding({ subject, text, wayOut }: Finding): string {
  const what = subject === '' ? text : `${subject}: ${text}`;
  return wayOut === '' ? what : `${what} (${wayOut})`;
}

/** With its weight in front. @param forced whether --force overrides it, where it can be: the way out was taken then */
export function describeWeighed(finding: Finding, forced: boolean): string {
  return forced && finding.weight === 'overridable'
    ? `overridden by --force: ${describeFinding({ ...finding, wayOut: '' })}`
    : `${finding.weight}: ${describeFinding(finding)}`;
}
