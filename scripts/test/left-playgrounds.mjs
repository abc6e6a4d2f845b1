// A playground lives on by itself, so a test that was ended half-way may have left one.
import { spawnSync } from 'node:child_process';
import { existsSync, readdirSync } from 'node:fs';
import { compiled } from '../lib/checkout.mjs';

/** The playground that test files which leave a cluster whole use one after the other (test/acceptance/cluster.ts). */
export const sharedPlayground = 't-shared';

/**
 * Take down every playground whose state is in this folder, but for the shared one.
 * @returns one complaint for each that was there
 */
export function endLeftPlaygrounds(folder, print) {
  // The last `down` removes the folder, too.
  if (!existsSync(folder)) return [];
  const left = readdirSync(folder).filter((name) => name !== sharedPlayground);
  return left.flatMap((name) => {
    const { status, stdout, stderr } = takeDown(folder, name);
    if (status === 0 && !stdout.includes(' is gone')) return [];
    const complaint =
      `it left playground '${name}' behind, ` +
      (status === 0 ? 'which was taken down' : `and that cannot be taken down: ${stderr.trim()}`);
    print(`✖ ${complaint}\n`);
    return [complaint];
  });
}

/**
 * Take down the shared one, if it is there.
 * @returns a complaint when it cannot be
 */
export function endSharedPlayground(folder, print) {
  if (!existsSync(folder) || !readdirSync(folder).includes(sharedPlayground)) return [];
  const { status, stderr } = takeDown(folder, sharedPlayground);
  if (status === 0) return [];
  const complaint = `playground '${sharedPlayground}' cannot be taken down: ${stderr.trim()}`;
  print(`✖ ${complaint}\n`);
  return [complaint];
}

function takeDown(folder, name) {
  return spawnSync(process.execPath, [compiled('playground/main'), 'down', '--name', name], {
    encoding: 'utf8',
    env: { ...process.env, PGCM_PLAYGROUND_DIR: folder },
  });
}
