import { cpSync, existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { UsageError } from '../../bench/errors.js';
import { repository } from '../../playground/paths.js';
import { plants } from './plants/all.js';

/** A passage of a file that is replaced by another. It must be there exactly once. */
export interface Edit {
  /** In the checkout; of TypeScript what it is compiled to, in dist/. */
  readonly file: string;
  readonly find: string;
  readonly replace: string;
}

/** A bug that the torture has to find. It is in no code of ours: it is made in a copy, for one run. */
export interface Plant {
  readonly name: string;
  /** What is wrong with it. */
  readonly says: string;
  readonly edits: readonly Edit[];
}

/** What hosts need of a checkout. */
const parts = [
  ...['agent', 'docker', 'proto', 'templates', 'node_modules', 'package.json'],
  ...['dist/src', 'dist/bench', 'dist/playground', 'dist/test'],
];

/** @throws UsageError when there is no such plant */
export function plantNamed(name: string): Plant {
  const found = plants.find((plant) => plant.name === name);
  if (found !== undefined) return found;
  throw new UsageError(`--plant: no '${name}'; there are ${plants.map((plant) => plant.name).join(', ')}`);
}

/**
 * Makes a copy of this checkout with the bug in it.
 * @param folder is replaced
 * @throws Error when a passage is not there, or more than once: then the plant has to follow the code
 */
export function plantInto(folder: string, { edits }: Plant): void {
  rmSync(folder, { recursive: true, force: true });
  mkdirSync(join(folder, 'dist'), { recursive: true });
  for (const part of parts) {
    if (existsSync(join(repository, part))) {
      cpSync(join(repository, part), join(folder, part), { recursive: true, preserveTimestamps: true });
    }
  }
  for (const edit of edits) {
    const file = join(folder, edit.file);
    writeFileSync(file, edited(readFileSync(file, 'utf8'), edit));
  }
}

/** @throws Error when the passage is not there exactly once */
export function edited(text: string, { file, find, replace }: Edit): string {
  const [before, after, ...more] = text.split(find);
  if (before === undefined || after === undefined) {
    throw new Error(`${file}: what the plant replaces is not there: ${find}`);
  }
  if (more.length > 0)
    throw new Error(`${file}: what the plant replaces is there ${more.length + 1} times: ${find}`);
  return before + replace + after;
}
