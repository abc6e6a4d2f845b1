/** `npm run demo`: shows what pgcm does, on a whole cluster on this machine. */
import type { Playground } from '../playground/client.js';
import { usageOf } from '../playground/cli/status.js';
import { readArguments, wholeNumber } from './arguments.js';
import { demonstrate, tidy } from './demo.js';
import { UsageError } from './errors.js';
import { runProgram } from './program.js';
import { stopwatch, withPlayground } from './with-playground.js';

const help = `Usage: npm run demo -- [--keep] [--name NAME] [--clients N] [--app-clients N]

Boots a cluster of three PostgreSQL nodes and an app host on this machine, shows what \`pgcm failover --dry-run\`
says, writes through their bouncers, moves the primary with \`pgcm failover --force\` (a cluster's first one needs
that), and shows the command's log and what the clients saw.

  --keep             leave the cluster up, and say how to play with it; else it is taken down
  --name NAME        of the playground (demo)
  --clients N        through the bouncers of the Postgres nodes (9)
  --app-clients N    through the app host's bouncer (3)

Exit status: 0 if the synchronous standby became primary on a new timeline, every bouncer leads there,
and no write through the nodes' bouncers failed or was lost; 1 if not, with the reason; 2 wrong usage.
`;

/** The demo failed: what is told has been told. */
class DemoFailed extends Error {}

process.exitCode = await runProgram('demo', async (signal) => {
  const { values, positionals } = readArguments({
    args: process.argv.slice(2),
    options: {
      keep: { type: 'boolean', default: false },
      name: { type: 'string', default: 'demo' },
      clients: { type: 'string', default: '9' },
      'app-clients': { type: 'string', default: '3' },
      help: { type: 'boolean', short: 'h', default: false },
    },
  });
  if (values.help) {
    process.stdout.write(help);
    return 0;
  }
  if (positionals.length > 0) throw new UsageError(`'${positionals.join(' ')}' is too much (see --help)`);
  const print = (line: string): void => console.log(line);
  const tell = stopwatch(print);
  const { name, keep } = values;
  const options = {
    clients: wholeNumber('clients', values.clients, 1),
    appClients: wholeNumber('app-clients', values['app-clients'], 1),
    tell,
    print,
    signal,
  };
  try {
    await withPlayground({ name, running: false, keep, log: tell, signal }, async (playground) => {
      const problems = await demonstrate(playground, options);
      for (const problem of problems) console.error(`demo: ${problem}`);
      if (problems.length > 0) throw new DemoFailed();
      tell(
        'the former synchronous standby is primary, every bouncer leads there, ' +
          "and no write through the nodes' bouncers failed or was lost",
      );
      if (keep) await explain(playground, name, tell, signal);
    });
    return 0;
  } catch (error) {
    if (error instanceof DemoFailed) return 1;
    throw error;
  }
});

async function explain(
  playground: Playground,
  name: string,
  tell: (line: string) => void,
  signal: AbortSignal,
): Promise<void> {
  tell('waiting for the old primary to be a standby again');
  await tidy(playground, signal);
  console.log(`The cluster stays up. ${usageOf(name, await playground.hosts(), true)}`);
}
