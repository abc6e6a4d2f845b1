/** `npm run playground -- COMMAND`: a whole cluster on this machine. */
import { runCommand } from './cli/run.js';

process.exitCode = await runCommand(process.argv.slice(2));
