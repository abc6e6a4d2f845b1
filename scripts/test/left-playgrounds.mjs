// A playground lives on by itself, so a test that was ended half-way may have left one.
import { spawnSync } from 'node:child_process';
import { pathToFileURL } from 'node:url';
import { compiled } from '../lib/checkout.mjs';

/**
 * Take down every playground whose state is in this folder.
 * @returns one complaint for each that was there
 */
export async function endLeftPlaygrounds(folder, print) {
  const { runningPlaygrounds } = await import(pathToFileURL(compiled('playground/processes')).href);
  const left = runningPlaygrounds().filter(({ directory }) => directory.startsWith(`${folder}/`));
  return left.map(({ name }) => {
    const { status, stderr } = spawnSync(
      process.execPath,
      [compiled('playground/main'), '--name', name, 'down'],
      { encoding: 'utf8', env: { ...process.env, PGCM_PLAYGROUND_DIR: folder } },
    );
    const complaint =
      `it left playground '${name}' behind, ` +
      (status === 0 ? 'which was taken down' : `and that cannot be taken down: ${stderr.trim()}`);
    print(`✖ ${complaint}\n`);
    return complaint;
  });
}
