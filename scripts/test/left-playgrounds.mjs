// A playground lives on by itself, so a test that was ended half-way may have left one.
import { spawnSync } from 'node:child_process';
import { existsSync, readdirSync } from 'node:fs';
import { compiled } from '../lib/checkout.mjs';

/**
 * Take down every playground whose state is in this folder.
 * @returns one complaint for each that was there
 */
export function endLeftPlaygrounds(folder, print) {
  // The last `down` removes the folder, too.
  if (!existsSync(folder)) return [];
  return readdirSync(folder).flatMap((name) => {
    const { status, stdout, stderr } = spawnSync(
      process.execPath,
      [compiled('playground/main'), 'down', '--name', name],
      { encoding: 'utf8', env: { ...process.env, PGCM_PLAYGROUND_DIR: folder } },
    );
    if (status === 0 && !stdout.includes(' is gone')) return [];
    const complaint =
      `it left playground '${name}' behind, ` +
      (status === 0 ? 'which was taken down' : `and that cannot be taken down: ${stderr.trim()}`);
    print(`✖ ${complaint}\n`);
    return [complaint];
  });
}
