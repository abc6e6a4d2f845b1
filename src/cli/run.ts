import { commandNames, type CommandName } from '../config/command-names.js';
import { loadConfig, UsageError, type Loaded } from '../config/load.js';
import type { Config } from '../config/options.js';
import type { Environment } from '../config/sources.js';
import { describeError, PgcmError } from '../domain/errors.js';
import { events } from '../domain/events.js';
import type { Log } from '../domain/log.js';
import { Interrupted } from '../runtime/interrupt.js';
import { loadInSmallHeap } from '../runtime/small-heap.js';
import type { Command, Output } from './context.js';
import { help } from './help.js';
import { parseCommandLine, type Invocation } from './parse.js';
import * as showConfig from './show-config.js';
import { version } from './version.js';

export interface Streams {
  readonly stdout: Output;
  readonly stderr: Output;
}

/** The commands that do the work, loaded when they are asked for: help must not wait for gRPC. */
export type Commands = { readonly [C in CommandName]: () => Promise<{ readonly run: Command<C> }> };

export const allCommands: Commands = {
  supervise: () => loadInSmallHeap(() => import('./supervise.js'), 'for-good'),
  proxy: () => loadInSmallHeap(() => import('./proxy.js'), 'while-loading'),
  failover: () => import('./failover.js'),
  cleanup: () => import('./cleanup.js'),
  adopt: () => import('./adopt.js'),
  status: () => import('./status.js'),
  history: () => import('./history.js'),
  'show-uri': () => import('./show-uri.js'),
  'cluster-config': () => import('./cluster-config.js'),
};

/**
 * pgcm as a function. Never throws: whatever goes wrong is said on stderr.
 * @param signal aborted, with an `Interrupted` as its reason, when pgcm shall end
 * @returns the exit status
 */
export async function run(
  args: readonly string[],
  env: Environment,
  streams: Streams,
  signal: AbortSignal,
  commands: Commands = allCommands,
): Promise<number> {
  try {
    const invocation = parseCommandLine(args);
    switch (invocation.kind) {
      case 'help':
        streams.stdout.write(help(invocation.topic));
        return 0;
      case 'version':
        streams.stdout.write(`${await version(signal)}\n`);
        return 0;
      case 'command':
        return await runCommand(invocation, env, streams, signal, commands);
    }
  } catch (error) {
    return report(error, streams.stderr);
  }
}

async function runCommand(
  { topic, flags, problems }: Extract<Invocation, { kind: 'command' }>,
  env: Environment,
  streams: Streams,
  signal: AbortSignal,
  commands: Commands,
): Promise<number> {
  if (topic === undefined && problems.length === 0) {
    streams.stderr.write(help(undefined));
    return 2;
  }
  const command = commandNames.find((name) => name === topic);
  const loaded = await loadConfig({ command, flags, env, problems, signal });
  const log = await startLog(loaded, streams.stderr);
  if (command === undefined) return showConfig.run(loaded, streams.stdout);
  return await start(command, commands, loaded.config, { log, env, streams, signal });
}

interface Surroundings {
  readonly log: Log;
  readonly env: Environment;
  readonly streams: Streams;
  readonly signal: AbortSignal;
}

async function start(
  name: CommandName,
  commands: Commands,
  config: Config,
  { log, env, streams, signal }: Surroundings,
): Promise<number> {
  const command = await commands[name]();
  return await command.run({
    config,
    log,
    signal,
    env: { NOTIFY_SOCKET: env['NOTIFY_SOCKET'], WATCHDOG_USEC: env['WATCHDOG_USEC'] },
    ...streams,
  });
}

/** The file may choose the format, so the two lines about the file come when it has been read. */
async function startLog({ config, file, warnings }: Loaded, stderr: Output): Promise<Log> {
  const { createLog } = await import('../telemetry/log.js');
  const wanted = config['log-format'];
  const format = wanted === 'auto' ? (stderr.isTerminal ? 'logfmt' : 'json') : wanted;
  const log = createLog({ format, write: (line) => stderr.write(line) });
  if (file !== undefined) {
    log.info(events.configFileLoading, { path: file.path });
    log.info(events.configFileLoaded, { path: file.path, hash: file.hash });
  }
  for (const warning of warnings) log.warn(events.configWarning, {}, warning);
  return log;
}

function report(error: unknown, stderr: Output): number {
  const say = (text: string): void => stderr.write(`pgcm: ${text}\n`);
  if (error instanceof UsageError) {
    error.problems.forEach(say);
    return 2;
  }
  say(describeError(error));
  if (error instanceof Interrupted) return error.exitStatus;
  if (error instanceof PgcmError) return error.code === 'usage' ? 2 : 1;
  // A mistake of ours: the stack is what its report needs.
  if (error instanceof Error && error.stack !== undefined) stderr.write(`${error.stack}\n`);
  return 1;
}
