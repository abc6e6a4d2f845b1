import { existsSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

/**
 * A file that ships with pgcm (the .proto, package.json). The compiled code lies some folders below
 * the package's root, so the root is looked for upwards.
 */
export function packageFile(...path: readonly string[]): string {
  let folder = dirname(fileURLToPath(import.meta.url));
  while (!existsSync(join(folder, 'package.json'))) {
    const parent = dirname(folder);
    if (parent === folder) throw new Error(`pgcm's package.json is not above ${import.meta.url}`);
    folder = parent;
  }
  return join(folder, ...path);
}
