/** `npm run bench -- switchover|idle`. The last line of its output is one JSON object. */
import { readArguments, wholeNumber } from './arguments.js';
import { UsageError } from './errors.js';
import { benchIdle } from './idle.js';
import { runProgram } from './program.js';
import { benchSwitchover } from './switchover.js';
import { stopwatch, withPlayground } from './with-playground.js';

const help = `Usage: npm run bench -- switchover [--runs N] [--clients N] [--app-clients N] [OPTIONS]
       npm run bench -- idle [--settle SECONDS] [--seconds SECONDS] [OPTIONS]

switchover  Clients write through the bouncers while \`pgcm failover\` moves the primary. Each makes 50 or
            more autocommit inserts a second, half of them prepared, and never retries. Prints, as JSON:
              stall_ms     longest time without any acknowledged write, all clients merged
              max_wait_ms  slowest acknowledged statement
              manager_ms   from Pacemaker being asked to move, to the target taking writes
              overhead_ms  stall minus manager, run by run
              errors       failed statements and connections; lost: acknowledged, yet not on the new
                           primary; doubt: failed, yet there
  --runs N            switchovers, one after the other (5)
  --clients N         spread over the bouncers of the Postgres nodes (9)
  --app-clients N     more of them over those of the app hosts, shown apart (0)
idle        Memory and CPU of supervise (with its child processes) and proxy when nothing happens: the
            means of --seconds (60) after --settle (60).

Options
  --name NAME         use the running playground NAME, and leave it up; else one is made for this
  --keep              leave the playground up
`;

const status = await runProgram('bench', async (signal) => {
  const { values, positionals } = readArguments({
    args: process.argv.slice(2),
    options: {
      runs: { type: 'string', default: '5' },
      clients: { type: 'string', default: '9' },
      'app-clients': { type: 'string', default: '0' },
      settle: { type: 'string', default: '60' },
      seconds: { type: 'string', default: '60' },
      name: { type: 'string' },
      keep: { type: 'boolean', default: false },
      help: { type: 'boolean', short: 'h', default: false },
    },
  });
  const [bench, ...rest] = positionals;
  if (values.help || bench === 'help') {
    process.stdout.write(help);
    return 0;
  }
  if (bench !== 'switchover' && bench !== 'idle') {
    throw new UsageError(
      `${bench === undefined ? 'which benchmark?' : `no benchmark '${bench}'`} (see --help)`,
    );
  }
  if (rest.length > 0) throw new UsageError(`'${rest.join(' ')}' is too much (see --help)`);
  const print = stopwatch((line) => console.log(line));
  const numbers = {
    runs: wholeNumber('runs', values.runs, 1),
    clients: wholeNumber('clients', values.clients, 1),
    appClients: wholeNumber('app-clients', values['app-clients'], 0),
    settleSeconds: wholeNumber('settle', values.settle, 0),
    seconds: wholeNumber('seconds', values.seconds, 1),
  };
  const choice = {
    name: values.name ?? 'bench',
    running: values.name !== undefined,
    keep: values.keep,
    log: print,
    signal,
  };
  const options = { ...numbers, print, signal };
  const report = await withPlayground<object>(choice, (playground) =>
    bench === 'switchover' ? benchSwitchover(playground, options) : benchIdle(playground, options),
  );
  console.log(JSON.stringify(report));
  return 0;
});
// Not process.exit(): the report must be out, also into a pipe.
process.exitCode = status;
