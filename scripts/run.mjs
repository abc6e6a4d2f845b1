#!/usr/bin/env node
// `npm run demo|playground|bench|model|torture|test:faults` and `npm test` start here: plain Node without dependencies, because
// it is what brings the dependencies.
import { compiled } from './lib/checkout.mjs';
import { againAsRoot, requireMachine, requireNode } from './lib/machine.mjs';
import { Problem } from './lib/problem.mjs';
import { runProgram } from './lib/program.mjs';
import { say } from './lib/say.mjs';
import { packages, prepare } from './lib/setup.mjs';
import { notTested, parseTestArguments, runTests } from './test/stages.mjs';

const help = `Usage: npm run demo|playground|bench|model|torture|test:faults -- [ARGS]     npm test -- [PART...] [PATTERN]

Each of them does the set-up that is missing first, and skips what has not changed:
  machine        root, capabilities, overlay, bridge, tools, Node.js: one line for each that is missing
  dependencies   npm ci
  build          tsc
  packages       Debian packages, into a cached layer; this machine's own packages stay as they are

  demo           boot a whole cluster, move its primary under load, show what the clients saw (--help)
  playground     a whole cluster on this machine (--help)
  bench          how long clients wait in a switchover; what the daemons cost (--help)
  model          every course of the protocol of who may be promoted, up to bounds (--help)
  torture        random faults, several at once, for minutes, and what comes of them (--help)
  test:faults    what comes of a switchover in which something dies, in every step (--help)
  test           PART: lint, unit, model, contract, acceptance; all of them unless given. PATTERN: a regular
                 expression for test files; if it matches none, for the names of tests.
                 A skipped test fails the run unless PGCM_ALLOW_SKIPPED=1.

Without root it starts itself again through sudo. Exit status: 0 done, 1 not, 2 wrong usage.
`;

const commands = {
  demo: (args) => runOnPlayground('bench/demo-main', args),
  bench: (args) => runOnPlayground('bench/main', args),
  torture: (args) => runOnPlayground('test/torture/main', args),
  faults: (args) => runOnPlayground('test/faults/main', args),
  model: (args) => {
    prepare(!asksForHelp(args));
    return runProgram(compiled('test/model/main'), args);
  },
  playground: (args) => {
    if (!asksForHelp(args)) requireMachine();
    prepare(false);
    return runProgram(compiled('playground/main'), args);
  },
  test: async (args) => {
    if (asksForHelp(args)) return printHelp();
    const wanted = parseTestArguments(args);
    try {
      if (wanted.needsMachine) requireMachine();
      prepare(true);
      if (wanted.needsMachine) packages();
    } catch (error) {
      if (!(error instanceof Problem)) throw error;
      return notTested(error);
    }
    return runTests(wanted);
  },
};

function runOnPlayground(program, args) {
  const asksOnly = asksForHelp(args);
  if (!asksOnly) requireMachine();
  prepare(!asksOnly);
  if (!asksOnly) packages();
  return runProgram(compiled(program), args);
}

async function main([command, ...args]) {
  if (command === undefined) throw new Problem(help, 2);
  if (command === 'help' || asksForHelp([command])) return printHelp();
  const run = Object.hasOwn(commands, command) ? commands[command] : undefined;
  if (run === undefined)
    throw new Problem(`unknown command '${command}' (see: node scripts/run.mjs --help)`, 2);
  requireNode();
  return needsRoot(command, args) ? (againAsRoot([command, ...args]) ?? run(args)) : run(args);
}

function printHelp() {
  process.stdout.write(help);
  return 0;
}

/** `playground exec NODE CMD --help` is the command's own. */
function asksForHelp(args) {
  return args[0] === '--help' || args[0] === '-h' || args[0] === 'help';
}

function needsRoot(command, args) {
  if (asksForHelp(args)) return false;
  if (command === 'model') return false;
  return command !== 'test' || parseTestArguments(args).needsMachine;
}

try {
  process.exitCode = await main(process.argv.slice(2));
} catch (error) {
  if (!(error instanceof Problem)) throw error;
  for (const line of error.lines) say(line);
  process.exitCode = error.status;
}
