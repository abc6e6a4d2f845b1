import type { Playground } from '../playground/client.js';
import { onLine } from '../playground/lines.js';
import { machineClock } from './clock.js';

/** A `pgcm failover` that has ended. Times are on the machine's clock. */
export interface FailoverRun {
  readonly node: string;
  readonly status: number;
  readonly started: number;
  readonly ended: number;
  readonly lines: readonly LogLine[];
}

/** What we need of a line of pgcm's log, in either of its formats. */
export interface LogLine {
  readonly text: string;
  /** Milliseconds since 1970. */
  readonly ts: number;
  readonly event: string;
  readonly fields: Readonly<Record<string, unknown>>;
}

export interface FailoverOptions {
  readonly format: 'json' | 'logfmt';
  /** More flags for the command. */
  readonly flags?: readonly string[];
  readonly onLog?: (line: string) => void;
  readonly signal: AbortSignal;
}

const deadlineMs = 180_000;
/** For the roll-back of an interrupted run. */
const patienceMs = 5_000;

/** Run it to its end, whatever that is. @throws only when aborted, or when it does not end at all */
export async function runFailover(
  playground: Playground,
  node: string,
  { format, flags = [], ...options }: FailoverOptions,
): Promise<FailoverRun> {
  const common = ['--config-file', '/etc/pgcm/config.toml', '--log-format', format];
  const argv = ['pgcm', 'failover', ...common, ...flags];
  const started = machineClock();
  const child = await playground.spawn(node, argv, { stdio: ['ignore', 'pipe', 'pipe'] });
  const texts: string[] = [];
  for (const stream of [child.stdout, child.stderr]) {
    if (stream === null) continue;
    onLine(stream, (line) => {
      texts.push(line);
      options.onLog?.(line);
    });
  }
  const stop = AbortSignal.any([options.signal, AbortSignal.timeout(deadlineMs)]);
  // As an operator would: it rolls back then.
  let forced: NodeJS.Timeout | undefined;
  const interrupt = (): void => {
    child.kill('SIGINT');
    forced = setTimeout(() => child.kill('SIGKILL'), patienceMs);
  };
  stop.addEventListener('abort', interrupt, { once: true });
  try {
    const status = await new Promise<number>((resolve, reject) => {
      child.once('error', reject);
      child.once('close', (code) => resolve(code ?? -1));
    });
    const ended = machineClock();
    stop.throwIfAborted();
    return { node, status, started, ended, lines: texts.flatMap((text) => readLogLine(text) ?? []) };
  } finally {
    stop.removeEventListener('abort', interrupt);
    clearTimeout(forced);
  }
}

/** @returns undefined for a line that is none of pgcm's log */
export function readLogLine(text: string): LogLine | undefined {
  const fields = text.startsWith('{') ? jsonFields(text) : logfmtFields(text);
  const ts = Date.parse(String(fields['ts']));
  if (Number.isNaN(ts) || typeof fields['event'] !== 'string') return undefined;
  return { text, ts, event: fields['event'], fields };
}

/** The step that a line of the command is about. */
export function stepOf({ fields }: Pick<LogLine, 'fields'>): string | undefined {
  const { step } = fields;
  return typeof step === 'string' ? step : undefined;
}

function jsonFields(text: string): Readonly<Record<string, unknown>> {
  try {
    return JSON.parse(text) as Record<string, unknown>;
  } catch {
    return {};
  }
}

function logfmtFields(text: string): Readonly<Record<string, unknown>> {
  const pairs = [...text.matchAll(/([\w.]+)=("(?:[^"\\]|\\.)*"|\S+)/g)];
  return Object.fromEntries(pairs.map(([, key = '', value = '']) => [key, value.replace(/^"|"$/g, '')]));
}
