import { events } from '../../domain/events.js';
import type { SwitchoverContext } from '../context.js';
import { inspectionTimeout } from '../facts.js';
import { requireNone, settled, SETTLED_WITHIN } from '../examine.js';
import { describeFinding, describeWeighed } from '../findings/finding.js';
import { bounded, type Step } from '../pipeline.js';

/** Nothing speaks against a move: of what risks data nothing at all, of what risks waiting nothing but by --force. */
export const check: Step<SwitchoverContext> = bounded({
  name: 'check',
  timeout: ({ options }) => SETTLED_WITHIN + 2 * (inspectionTimeout(options) + options.etcdTimeout),
  async run(context, signal) {
    const { apis, log } = context;
    log.info(
      events.clientsHealthCheck,
      { endpoints: apis.map((a) => a.endpoint) },
      'health checking all clients',
    );
    const refusals = await settled(context, signal);
    for (const finding of context.findings.filter((one) => !refusals.includes(one))) {
      const { kind, weight } = finding;
      const text = weight === 'notice' ? describeFinding(finding) : describeWeighed(finding, true);
      log.warn(events.checkFinding, { kind, weight }, text);
    }
    // A lock that somebody holds is waited for in the next step, and looked at everything again then.
    const others = refusals.filter(({ kind }) => kind !== 'lock-held');
    requireNone(others.length === 0 ? [] : refusals);
  },
});
