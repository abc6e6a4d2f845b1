import { z } from 'zod';
import type { SwitchoverReport } from '../domain/switchover.js';
import { count, date, id, list, span, text } from './fields.js';
import { JsonRecord } from './record.js';

export const finding = z.object({
  weight: z.enum(['forbids', 'overridable', 'notice']).meta({
    description: 'forbids: nothing overrides it. overridable: --force does. notice: for the reader.',
  }),
  kind: text(64, 'A stable word for programs, such as no-quorum.'),
  subject: text(256, 'On which host or about whom; empty for the cluster.'),
  text: text(1_000, 'What was found.'),
  way_out: text(1_000, 'What to do about it; may be empty for a notice.'),
});

const step = z.object({
  name: text(64, 'As in the log.'),
  ms: span('How long it took.'),
  error: text(2_000, 'Empty when it succeeded.'),
});

const member = z.object({
  name: text(256, 'Its name in the cluster manager.'),
  address: text(64, 'Where clients reach it.'),
});

const schema = z.object({
  id: id("The switchover's id."),
  host: text(256, 'Where the command ran.'),
  pid: count("The command's process."),
  started_at: date('When it began.'),
  elapsed_ms: span('How long it took.'),
  outcome: text(64, 'The outcome in a word.'),
  status: z.number().int().min(0).max(255).meta({ description: "The command's exit status." }),
  message: text(8_000, 'What is true now.'),
  from: member.optional().meta({ description: 'The primary at the start; absent: not known.' }),
  to: member.optional().meta({ description: 'To whom it was moved; absent: not known.' }),
  steps: list(step, 100, 'Each step that was begun, in order.'),
  findings: list(finding, 200, 'What the checks found.'),
  forced: z.boolean().optional().meta({
    description:
      'Whether --force was given: then the overridable findings were overridden. Absent: not known.',
  }),
  pause_ms: span('From the first pause asked for to the last acknowledged release; 0: nothing was paused.'),
  longest_wait_ms: span('The longest wait of a client that a bouncer saw; absent: none told.').optional(),
});

export const switchoverReport = new JsonRecord<SwitchoverReport, typeof schema>({
  name: 'switchover report',
  maxBytes: 1_400_000,
  schema,
  decode: (json) => ({
    id: json.id,
    host: json.host,
    pid: json.pid,
    startedAt: json.started_at,
    elapsed: json.elapsed_ms,
    outcome: json.outcome,
    status: json.status,
    message: json.message,
    from: json.from,
    to: json.to,
    steps: json.steps,
    findings: json.findings.map(({ way_out, ...rest }) => ({ ...rest, wayOut: way_out })),
    forced: json.forced ?? false,
    pause: json.pause_ms,
    longestWait: json.longest_wait_ms,
  }),
  encode: (report) => ({
    id: report.id,
    host: report.host,
    pid: report.pid,
    started_at: report.startedAt,
    elapsed_ms: report.elapsed,
    outcome: report.outcome,
    status: report.status,
    message: report.message,
    from: report.from,
    to: report.to,
    steps: [...report.steps],
    findings: report.findings.map(({ wayOut, ...rest }) => ({ ...rest, way_out: wayOut })),
    forced: report.forced,
    pause_ms: report.pause,
    longest_wait_ms: report.longestWait,
  }),
});
