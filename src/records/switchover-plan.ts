import { z } from 'zod';
import type { SwitchoverPlan } from '../domain/switchover.js';
import { count, list, span, text } from './fields.js';
import { JsonRecord } from './record.js';
import { finding } from './switchover-report.js';

const step = z.object({
  name: text(64, 'As in the log.'),
  text: text(4_000, 'What it would do.'),
});

const expected = z.object({
  median_ms: span('The median of the last switchovers.'),
  longest_ms: span('The longest of them.'),
  count: count('How many tell.'),
});

const schema = z.object({
  status: z
    .number()
    .int()
    .min(0)
    .max(255)
    .meta({ description: 'The exit status: 3 when it would be refused.' }),
  from: text(256, 'The primary; absent: not known.').optional(),
  to: text(256, 'To whom it would be moved; absent: to nobody.').optional(),
  steps: list(step, 100, 'What would be done, in order; empty when it would be refused.'),
  refusals: list(finding, 500, 'The findings because of which it would be refused.'),
  findings: list(finding, 500, 'The other ones.'),
  expected_pause: expected
    .optional()
    .meta({ description: 'How long clients would wait; absent: no history tells.' }),
});

/** What `failover --dry-run --json` prints. */
export const switchoverPlan = new JsonRecord<SwitchoverPlan, typeof schema>({
  name: 'switchover plan',
  maxBytes: 1_400_000,
  schema,
  decode: (json) => ({
    status: json.status,
    from: json.from,
    to: json.to,
    steps: json.steps,
    refusals: json.refusals.map(({ way_out: wayOut, ...rest }) => ({ ...rest, wayOut })),
    findings: json.findings.map(({ way_out: wayOut, ...rest }) => ({ ...rest, wayOut })),
    expected: json.expected_pause && {
      median: json.expected_pause.median_ms,
      longest: json.expected_pause.longest_ms,
      count: json.expected_pause.count,
    },
  }),
  encode: (plan) => ({
    status: plan.status,
    from: plan.from,
    to: plan.to,
    steps: [...plan.steps],
    refusals: plan.refusals.map(({ wayOut, ...rest }) => ({ ...rest, way_out: wayOut })),
    findings: plan.findings.map(({ wayOut, ...rest }) => ({ ...rest, way_out: wayOut })),
    expected_pause: plan.expected && {
      median_ms: plan.expected.median,
      longest_ms: plan.expected.longest,
      count: plan.expected.count,
    },
  }),
});
