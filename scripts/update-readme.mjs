// Writes the table of options in README.md anew from their declaration. Build first.
import { readFileSync, writeFileSync } from 'node:fs';
import { URL } from 'node:url';
import { withOptionsTable } from '../dist/src/config/table.js';

const readme = new URL('../README.md', import.meta.url);
writeFileSync(readme, withOptionsTable(readFileSync(readme, 'utf8')));
