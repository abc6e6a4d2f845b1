// Writes docs/records.md and the table in docs/outputs.md anew from their declarations. Build first.
import { readFileSync, writeFileSync } from 'node:fs';
import { URL } from 'node:url';
import { withOutputTable } from '../dist/src/config/table.js';
import { recordsDocument } from '../dist/src/records/document.js';

const document = (name) => new URL(`../docs/${name}`, import.meta.url);
writeFileSync(document('records.md'), recordsDocument());
writeFileSync(document('outputs.md'), withOutputTable(readFileSync(document('outputs.md'), 'utf8')));
