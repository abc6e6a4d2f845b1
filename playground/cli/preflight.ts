import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { PlaygroundError } from '../errors.js';
import { repository } from '../paths.js';

/** The checks are plain JavaScript beside the sources, as they also run before anything is built. */
interface Preflight {
  readonly checks: () => string[];
}

/** @throws PlaygroundError naming everything that this machine lacks */
export async function preflight(): Promise<void> {
  const file = pathToFileURL(join(repository, 'playground', 'preflight.mjs'));
  const { checks } = (await import(file.href)) as Preflight;
  const problems = checks();
  if (problems.length > 0) throw new PlaygroundError(problems.join('\nplayground: '));
}
