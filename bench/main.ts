/** `npm run bench -- switchover|loss|peers|routes|idle`. The last line of its output is one JSON object. */
import { oneOf, readArguments, wholeNumber } from './arguments.js';
import { UsageError } from './errors.js';
import { faultNames } from './faults.js';
import { benchIdle } from './idle.js';
import { benchLoss } from './loss.js';
import { etcdRoles } from './records.js';
import { contenders } from './peers/contenders.js';
import { benchPeers } from './peers/peers.js';
import { benchRoutes } from './routes.js';
import { runProgram } from './program.js';
import { benchSwitchover, benchWithPgbench, benchWithProxies } from './switchover.js';
import { agentNames } from '../playground/plan.js';
import { stopwatch, withPlayground } from './with-playground.js';

const help = `Usage: npm run bench -- switchover [--runs N] [--clients N] [--breakdown] [OPTIONS]
       npm run bench -- switchover --pgbench [--pgbench-scale N] [--pgbench-rate N] [--runs N] [OPTIONS]
       npm run bench -- switchover --proxies N [--runs N] [OPTIONS]
       npm run bench -- loss [--fault power|postgres|cut] [--runs N] [--clients N] [--breakdown] [OPTIONS]
       npm run bench -- peers [--loss] [--runs N] [--clients N] [--only NAME[,NAME...]]
       npm run bench -- routes [--proxies N] [--puts N] [--kill follower|leader] [--seconds SECONDS]
       npm run bench -- idle [--settle SECONDS] [--seconds SECONDS] [OPTIONS]

switchover  Clients write through the bouncers of all Postgres nodes and app hosts while \`pgcm failover\`
            moves the primary. Each makes 50 or more autocommit inserts a second, half of them prepared,
            and never retries. Prints, as JSON:
              stall_ms     longest time without any acknowledged write, all clients merged
              max_wait_ms  slowest acknowledged statement
              manager_ms   from Pacemaker being asked to move, to the target taking writes
              overhead_ms  stall minus manager, run by run
              errors       failed statements and connections; lost: acknowledged, yet not on the new
                           primary; doubt: failed, yet there
  --runs N            switchovers, one after the other, of each kind (5)
  --clients N         spread over all bouncers (9)
  --breakdown         tell of each run what happened when, and sum up from which moment to which
                      clients waited how long
  --pgbench           with pgbench's write load beside the clients, in turns with and without the
                      checkpoint step; pgbench's own transactions and errors are counted apart
  --pgbench-scale N   of its tables, 15 MB each (30)
  --pgbench-rate N    transactions a second (200)
  --proxies N         without, and then with N more registered proxies, each with its own etcd client
                      and a simulated PgBouncer; growth_ms is by how much the median overhead grows
loss        The same when the primary is lost under clients that write through the bouncers of the surviving
            Postgres nodes and app hosts. manager_ms: from the fault to a node taking writes, which a
            prober asks of each of them; errors_per_client_max: the most that one client saw in one run
  --fault power       its host loses its power (the default)
          postgres    its postmaster is killed with SIGKILL
          cut         its host's cable is cut
  --clients N         (8)
peers       What the same clients see of a planned switchover with pgcm and with other cluster managers: Patroni
            and pg_auto_failover, each set up as its documentation says (docs/peers.md). One cluster after the
            other, each made for this. Prints a table in Markdown, and JSON as above, errors for each run.
  --loss              the host of the primary loses its power instead
  --only NAME,...     of these alone: ${contenders.map(({ name }) => name).join(', ')}
routes      How soon many proxies in one process, each with its own etcd client, watches, lease and simulated
            PgBouncer, apply a new route: with 10, with 100 and with N of them, on three etcd members in
            the package layer, one of which is killed and started again meanwhile. Prints, as JSON:
              applied_ms   put of a new route, until a proxy's bouncer was seen to lead there
              acked_ms     until its acknowledgement was seen in etcd
              missed       routes that a proxy had not applied within 10 s; reordered: an older one
                           after a newer one
              idle         what they cost when nothing changes, over --seconds (20)
  --proxies N         (1000)
  --puts N            new routes, one after the other (50)
  --kill follower     a member of etcd that follows is killed (the default)
         leader       the one that leads: that ends every watch, on all members
idle        Memory and CPU of supervise (with its child processes) and proxy when nothing happens: the
            means of --seconds (60) after --settle (60).

Options
  --agent stock       with ocf:heartbeat:pgsql in place of pgcm's own resource agent (--agent pgcm)
  --name NAME         use the running playground NAME, and leave it up; else one is made for this
  --keep              leave the playground up
`;

/** Of the benchmarks: how many clients. */
const usualClients = { switchover: '9', loss: '8', peers: '9', routes: '1', idle: '1' } as const;
const usualSeconds = { switchover: '1', loss: '1', peers: '1', routes: '20', idle: '60' } as const;
const usualProxies = { switchover: '0', loss: '0', peers: '0', routes: '1000', idle: '0' } as const;

function isBench(word: string | undefined): word is keyof typeof usualClients {
  return word !== undefined && Object.hasOwn(usualClients, word);
}

const status = await runProgram('bench', async (signal) => {
  const { values, positionals } = readArguments({
    args: process.argv.slice(2),
    options: {
      runs: { type: 'string', default: '5' },
      clients: { type: 'string' },
      fault: { type: 'string', default: 'power' },
      loss: { type: 'boolean', default: false },
      only: { type: 'string' },
      breakdown: { type: 'boolean', default: false },
      pgbench: { type: 'boolean', default: false },
      'pgbench-scale': { type: 'string', default: '30' },
      'pgbench-rate': { type: 'string', default: '200' },
      proxies: { type: 'string' },
      puts: { type: 'string', default: '50' },
      kill: { type: 'string', default: 'follower' },
      settle: { type: 'string', default: '60' },
      seconds: { type: 'string' },
      agent: { type: 'string', default: 'pgcm' },
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
  if (!isBench(bench)) {
    throw new UsageError(
      `${bench === undefined ? 'which benchmark?' : `no benchmark '${bench}'`} (see --help)`,
    );
  }
  if (rest.length > 0) throw new UsageError(`'${rest.join(' ')}' is too much (see --help)`);
  const print = stopwatch((line) => console.error(line));
  const seconds = wholeNumber('seconds', values.seconds ?? usualSeconds[bench], 1);
  const proxies = wholeNumber('proxies', values.proxies ?? usualProxies[bench], 0);
  if (bench === 'routes') {
    const puts = wholeNumber('puts', values.puts, 3);
    const kill = oneOf('kill', values.kill, etcdRoles);
    return benchRoutes({ proxies: Math.max(1, proxies), puts, kill, idleSeconds: seconds, print, signal });
  }
  const switchover = {
    runs: wholeNumber('runs', values.runs, 1),
    clients: wholeNumber('clients', values.clients ?? usualClients[bench], 1),
    breakdown: values.breakdown,
    print,
    signal,
  };
  if (bench === 'peers') {
    const names = contenders.map((contender) => contender.name);
    const only = values.only?.split(',').map((name) => oneOf('only', name, names)) ?? [];
    const event = values.loss ? 'loss' : 'switchover';
    const peers = await benchPeers({ ...switchover, event, only, name: values.name ?? 'bench' });
    console.log(JSON.stringify(peers));
    return 0;
  }
  const loss = { ...switchover, fault: oneOf('fault', values.fault, faultNames) };
  const pgbench = {
    scale: wholeNumber('pgbench-scale', values['pgbench-scale'], 1),
    rate: wholeNumber('pgbench-rate', values['pgbench-rate'], 1),
  };
  const idle = {
    settleSeconds: wholeNumber('settle', values.settle, 0),
    seconds,
    print,
    signal,
  };
  if (values.pgbench && proxies > 0)
    throw new UsageError('--pgbench and --proxies are two benchmarks (see --help)');
  const choice = {
    name: values.name ?? 'bench',
    up: { agent: oneOf('agent', values.agent, agentNames) },
    running: values.name !== undefined,
    keep: values.keep,
    log: print,
    signal,
  };
  const report = await withPlayground<object>(choice, (playground) => {
    if (bench === 'idle') return benchIdle(playground, idle);
    if (bench === 'loss') return benchLoss(playground, loss);
    if (values.pgbench) return benchWithPgbench(playground, switchover, pgbench);
    if (proxies > 0) return benchWithProxies(playground, switchover, proxies);
    return benchSwitchover(playground, switchover);
  });
  console.log(JSON.stringify(report));
  return 0;
});
// Not process.exit(): the report must be out, also into a pipe.
process.exitCode = status;
