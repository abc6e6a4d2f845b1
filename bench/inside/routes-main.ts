/**
 * Runs in the package layer, with three etcd members of its own: how soon proxies apply new routes.
 * Usage: routes-main.js CONFIG (RoutesConfig as JSON). The last line of its output is the report.
 */
import { EtcdServers } from '../../test/contract/etcd-server.js';
import { runProgram } from '../program.js';
import type { RoutesConfig } from '../records.js';
import { stopwatch } from '../with-playground.js';
import { measureSize, type SizeReport } from './route-size.js';

const config = JSON.parse(process.argv[2] ?? '') as RoutesConfig;

process.exitCode = await runProgram('bench', async (signal) => {
  const print = stopwatch((line) => console.error(line));
  const servers = await EtcdServers.start({ members: 3 });
  const sizes: SizeReport[] = [];
  try {
    for (const size of config.sizes) sizes.push(await measureSize(servers, size, config, print, signal));
  } finally {
    await servers.stop();
  }
  const [largest, ...smaller] = sizes.reverse();
  console.log(JSON.stringify({ bench: 'routes', ...largest, smaller }));
  return 0;
});
