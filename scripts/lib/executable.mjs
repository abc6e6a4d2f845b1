// The compiler leaves its output not executable; the command is linked to from a folder in PATH.
import { chmodSync } from 'node:fs';
import { argv } from 'node:process';
import { fileURLToPath } from 'node:url';
import { compiled } from './checkout.mjs';

export function makeExecutable() {
  chmodSync(compiled('src/main'), 0o755);
}

if (argv[1] === fileURLToPath(import.meta.url)) makeExecutable();
