// Writes docs/records.md and the tables in docs/outputs.md and docs/monitoring.md anew from their declarations. Build first.
import { readFileSync, writeFileSync } from 'node:fs';
import { URL } from 'node:url';
import { withMetricsTable } from '../dist/src/cli/metrics-table.js';
import { withOutputTable } from '../dist/src/config/table.js';
import { recordsDocument } from '../dist/src/records/document.js';

const document = (name) => new URL(`../docs/${name}`, import.meta.url);
writeFileSync(document('records.md'), recordsDocument());
writeFileSync(document('outputs.md'), withOutputTable(readFileSync(document('outputs.md'), 'utf8')));
writeFileSync(document('monitoring.md'), withMetricsTable(readFileSync(document('monitoring.md'), 'utf8')));
