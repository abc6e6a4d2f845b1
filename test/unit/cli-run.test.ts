import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { parse } from 'smol-toml';
import { commandTexts, topics } from '../../src/cli/commands.js';
import type { CommandContext } from '../../src/cli/context.js';
import { run, type Commands } from '../../src/cli/run.js';
import { commandNames, type CommandName } from '../../src/config/command-names.js';
import { declaration, flagNames, type Config } from '../../src/config/options.js';
import { exitStatus } from '../../src/failover/outcome.js';
import { PgcmError } from '../../src/domain/errors.js';
import { events } from '../../src/domain/events.js';
import { abortOnSignals, Interrupted, type InterruptSignal } from '../../src/runtime/interrupt.js';
import { temporaryFile } from '../support/config.js';

type AnyContext = CommandContext<CommandName> & { readonly config: Config };

interface Ran {
  readonly status: number;
  readonly stdout: string;
  readonly stderr: string;
  /** The commands that were started. */
  readonly started: readonly CommandName[];
}

interface Given {
  readonly env?: Record<string, string>;
  readonly terminal?: boolean;
  readonly signal?: AbortSignal;
  readonly command?: (context: AnyContext) => Promise<number>;
}

/** Runs pgcm with commands that are only looked at. */
async function pgcm(args: readonly string[], given: Given = {}): Promise<Ran> {
  const text = { stdout: '', stderr: '' };
  const output = (name: 'stdout' | 'stderr') => ({
    write: (more: string) => void (text[name] += more),
    isTerminal: given.terminal ?? false,
  });
  const started: CommandName[] = [];
  const fake = (name: CommandName) => () =>
    Promise.resolve({
      run: async (context: unknown) => {
        started.push(name);
        return (await given.command?.(context as AnyContext)) ?? 0;
      },
    });
  const commands: Commands = {
    supervise: fake('supervise'),
    proxy: fake('proxy'),
    failover: fake('failover'),
    cleanup: fake('cleanup'),
    adopt: fake('adopt'),
    status: fake('status'),
    history: fake('history'),
    'show-uri': fake('show-uri'),
    'cluster-config': fake('cluster-config'),
  };
  const streams = { stdout: output('stdout'), stderr: output('stderr') };
  const signal = given.signal ?? new AbortController().signal;
  const status = await run(args, given.env ?? {}, streams, signal, commands);
  return { status, ...text, started };
}

describe('help', () => {
  it('names every command, on stdout', async () => {
    const { status, stdout, stderr } = await pgcm(['--help']);
    assert.deepEqual([status, stderr], [0, '']);
    for (const topic of topics) assert.match(stdout, new RegExp(`^  ${topic} +\\S`, 'm'));
    assert.equal((await pgcm(['help'])).stdout, stdout);
  });

  it('is the answer to no command at all, but then a mistake', async () => {
    const { status, stdout, stderr } = await pgcm([]);
    assert.deepEqual([status, stdout], [2, '']);
    assert.equal(stderr, (await pgcm(['--help'])).stdout);
  });

  for (const topic of topics) {
    it(`of ${topic} shows its options with their defaults, and its exit statuses`, async () => {
      const { stdout } = await pgcm([topic, '--help']);
      const own = flagNames.filter((name) =>
        (declaration(name).commands as readonly string[]).includes(topic),
      );
      const shown = [...stdout.matchAll(/^ {2}--([a-z-]+).*\(default: .+\)$/gm)].map(([, name]) => name);
      assert.deepEqual(shown, own);
      for (const [exit] of commandTexts[topic].statuses)
        assert.match(stdout, new RegExp(`^ {2}${exit}: `, 'm'));
      assert.deepEqual(
        stdout.split('\n').filter((line) => line.length > 80 && !line.startsWith('  --')),
        [],
      );
    });
  }

  it('of failover documents every exit status that it has', () => {
    const documented = commandTexts.failover.statuses.flatMap(([exit]) => exit.split(', ').map(Number));
    const had = [...Object.values(exitStatus), 2, 129, 130, 143].sort((a, b) => a - b);
    assert.deepEqual(
      [...documented].sort((a, b) => a - b),
      had,
    );
  });

  it('says that promote-timeout follows pause-expiry', async () => {
    const { stdout } = await pgcm(['failover', '--help']);
    assert.match(stdout, /--promote-timeout DURATION {2}\(default: that of pause-expiry\)/);
  });
});

describe('version', () => {
  it('is that of package.json', async () => {
    const { status, stdout } = await pgcm(['version']);
    assert.equal(status, 0);
    assert.match(stdout, /^\d+\.\d+\.\d+\n$/);
    assert.equal((await pgcm(['--version'])).stdout, stdout);
  });
});

describe('show-config', () => {
  it('prints TOML on stdout, and the log on stderr', async () => {
    const file = temporaryFile('etcd-timeout = "9s"');
    const { status, stdout, stderr } = await pgcm([
      'show-config',
      '--config-file',
      file,
      '--lock-timeout=8s',
    ]);
    assert.equal(status, 0);
    const { 'etcd-timeout': etcd, 'lock-timeout': lock } = parse(stdout);
    assert.deepEqual([etcd, lock], ['9s', '8s']);
    assert.equal(stderr.trim().split('\n').length, 2);
    assert.equal((await pgcm(['config', 'show', '--config-file', file, '--lock-timeout=8s'])).stdout, stdout);
  });

  it('has nothing to say on stderr when there is nothing to say', async () => {
    assert.equal((await pgcm(['show-config'])).stderr, '');
  });
});

describe('wrong input', () => {
  it('is named line by line on stderr with status 2, and nothing is started', async () => {
    const file = temporaryFile('etcd-tiemout = "1s"');
    const { status, stdout, stderr, started } = await pgcm(
      ['proxy', '--nonsense', '--etcd-timeout', '5', '--config-file', file, 'surplus'],
      { env: { PGCM_LOG_FORMAT: 'xml' } },
    );
    assert.deepEqual([status, stdout, started], [2, '', []]);
    assert.deepEqual(stderr.split('\n'), [
      'pgcm: --nonsense: no such option',
      'pgcm: "surplus": an argument too many',
      `pgcm: ${file}:1: etcd-tiemout: no such option, did you mean etcd-timeout?`,
      'pgcm: PGCM_LOG_FORMAT: "xml" is none of auto, logfmt, json',
      'pgcm: --etcd-timeout: "5" is not a duration: its unit is missing: 5s?',
      '',
    ]);
  });

  it('of a command that does not exist is named together with the rest', async () => {
    const { status, stderr } = await pgcm(['failver', '--etcd-timeout', '5']);
    assert.equal(status, 2);
    assert.equal(stderr.trim().split('\n').length, 2);
  });
});

describe('a command', () => {
  for (const name of commandNames) {
    it(`${name} is started with the configuration, and gives its exit status`, async () => {
      let seen: AnyContext | undefined;
      const signal = new AbortController().signal;
      const { status, started } = await pgcm([name, '--etcd-timeout', '9s'], {
        env: { NOTIFY_SOCKET: '/run/notify', WATCHDOG_USEC: '1000', PATH: '/bin' },
        signal,
        command: (context) => {
          seen = context;
          return Promise.resolve(6);
        },
      });
      assert.deepEqual([status, started], [6, [name]]);
      assert.equal(seen?.config['etcd-timeout'], 9_000);
      assert.deepEqual(seen.env, { NOTIFY_SOCKET: '/run/notify', WATCHDOG_USEC: '1000' });
      assert.equal(seen.signal, signal);
    });
  }

  it('logs on stderr: logfmt on a terminal, JSON otherwise, or as it is told', async () => {
    const firstLine = async (args: readonly string[], terminal: boolean): Promise<string> => {
      const command = ({ log }: AnyContext): Promise<number> => {
        log.info(events.serverListen, { port: 1 });
        return Promise.resolve(0);
      };
      return (await pgcm(['proxy', ...args], { terminal, command })).stderr;
    };
    assert.match(await firstLine([], true), /^ts=\S+ event=server\.listen port=1\n$/);
    assert.match(await firstLine([], false), /^\{.*"event":"server\.listen".*\}\n$/);
    assert.match(await firstLine(['--log-format', 'json'], true), /^\{/);
    assert.match(await firstLine(['--log-format', 'logfmt'], false), /^ts=/);
  });

  it('logs that its file is loading and loaded, with a hash, and what is odd', async () => {
    const path = temporaryFile('log-format = "json"\nlock-timeout = "1s"\npgbouncer-password = "hunter2"');
    const { stderr } = await pgcm(['proxy', '--config-file', path], {
      terminal: true,
      env: { PGCM_PORT: 'tcp://10.0.0.1', PGCM_ETCD_PASSWORD: 'hunter3' },
    });
    const lines = stderr
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line) as Record<string, unknown>);
    assert.deepEqual(
      lines.map(({ event, path: file }) => [event, file]),
      [
        ['config_file.loading', path],
        ['config_file.loaded', path],
        ['config.warning', undefined],
        ['config.warning', undefined],
      ],
    );
    assert.match(String(lines[1]?.['hash']), /^[0-9a-f]{16}$/);
    assert.match(String(lines[2]?.['msg']), /^PGCM_PORT: /);
    assert.doesNotMatch(stderr, /hunter/);
  });
});

describe('what a command throws', () => {
  const failing = (error: unknown): Promise<Ran> =>
    pgcm(['proxy'], {
      command: () => {
        throw error;
      },
    });

  it('is one line with its causes and status 1, when it is ours', async () => {
    const cause = new Error('connection refused');
    const { status, stderr } = await failing(new PgcmError('unavailable', 'asking etcd', { cause }));
    assert.deepEqual([status, stderr], [1, 'pgcm: asking etcd: connection refused\n']);
  });

  it('has status 2 when the options were wrong, and that of the signal when it was interrupted', async () => {
    assert.equal((await failing(new PgcmError('usage', 'x'))).status, 2);
    const { status, stderr } = await failing(new Interrupted('SIGTERM'));
    assert.deepEqual([status, stderr], [143, 'pgcm: interrupted by SIGTERM\n']);
  });

  it('comes with its stack when it is a mistake of the program', async () => {
    const { status, stderr } = await failing(new TypeError('x is not a function'));
    assert.equal(status, 1);
    assert.match(stderr, /^pgcm: x is not a function\nTypeError: x is not a function\n {4}at /);
  });
});

describe('signals', () => {
  class Process {
    readonly handlers = new Map<InterruptSignal, () => void>();
    readonly exits: number[] = [];
    on(signal: InterruptSignal, handler: () => void): void {
      this.handlers.set(signal, handler);
    }
    exit(status: number): void {
      this.exits.push(status);
    }
  }

  it('abort at first, with a reason that names the signal, and end the process at the second', () => {
    for (const [name, status] of [
      ['SIGINT', 130],
      ['SIGTERM', 143],
      ['SIGHUP', 129],
    ] as const) {
      const source = new Process();
      const signal = abortOnSignals(source);
      source.handlers.get('SIGINT')?.();
      assert.ok(signal.reason instanceof Interrupted);
      assert.equal(signal.reason.signalName, 'SIGINT');
      assert.deepEqual(source.exits, []);
      source.handlers.get(name)?.();
      assert.deepEqual(source.exits, [status]);
    }
  });

  it('any number of questions may be under way: nobody is warned of a leak', async () => {
    const warnings: string[] = [];
    const onWarning = ({ name }: Error): number => warnings.push(name);
    process.on('warning', onWarning);
    try {
      const signal = abortOnSignals({ on: () => undefined, exit: () => undefined });
      for (let question = 0; question < 50; question++) signal.addEventListener('abort', () => undefined);
      // A warning is given in a later turn.
      await new Promise((resolve) => setImmediate(resolve));
    } finally {
      process.off('warning', onWarning);
    }
    assert.deepEqual(warnings, []);
  });
});
