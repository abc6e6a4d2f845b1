/**
 * `pgcm` with a `failover` one of whose steps can be held, for the tests of what dies meanwhile. Runs in
 * a host: `node /opt/pgcm/dist/test/faults/held-main.js failover ...`. From the environment:
 *   TEST_HOLD_AT    STEP:POINT (see hold.ts)
 *   TEST_HOLD_FILE  the step is held while this file exists
 * Once the step is held that is told on stderr, by a line like those of the log.
 */
import type { Output } from '../../src/cli/context.js';
import { runFailover } from '../../src/cli/failover.js';
import { allCommands, run } from '../../src/cli/run.js';
import { switchoverSteps } from '../../src/failover/switchover.js';
import { abortOnSignals } from '../../src/runtime/interrupt.js';
import { heldSteps, holdPoints, type Hold } from './hold.js';

const [step = '', word] = (process.env['TEST_HOLD_AT'] ?? '').split(':');
const point = holdPoints.find((name) => name === word);
const file = process.env['TEST_HOLD_FILE'];
if (point === undefined || file === undefined) throw new Error('TEST_HOLD_AT and TEST_HOLD_FILE say where');

const tell = (hold: Hold): void => {
  process.stderr.write(
    `${JSON.stringify({ event: 'test.held', step: hold.step, point: hold.point, file: hold.file })}\n`,
  );
};
const steps = heldSteps(switchoverSteps, { step, point, file, tell });
const output = (stream: NodeJS.WriteStream): Output => ({
  write: (text) => void stream.write(text),
  isTerminal: false,
});

process.exitCode = await run(
  process.argv.slice(2),
  process.env,
  { stdout: output(process.stdout), stderr: output(process.stderr) },
  abortOnSignals(process),
  { ...allCommands, failover: () => Promise.resolve({ run: (context) => runFailover(context, { steps }) }) },
);
// As main does: a connection that does not end must not keep the process.
process.exit();
