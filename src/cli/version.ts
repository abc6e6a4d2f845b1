import { readFile } from 'node:fs/promises';
import { PgcmError } from '../domain/errors.js';
import { packageFile } from '../runtime/package-root.js';

/** The version in the package.json that pgcm was installed with. */
export async function version(signal: AbortSignal): Promise<string> {
  const path = packageFile('package.json');
  const manifest: unknown = JSON.parse(await readFile(path, { encoding: 'utf8', signal }));
  if (typeof manifest === 'object' && manifest !== null && 'version' in manifest) {
    if (typeof manifest.version === 'string') return manifest.version;
  }
  throw new PgcmError('internal', `${path} has no version`);
}
