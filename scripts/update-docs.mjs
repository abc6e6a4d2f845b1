// Writes docs/records.md anew from the declarations of the records. Build first.
import { writeFileSync } from 'node:fs';
import { URL } from 'node:url';
import { recordsDocument } from '../dist/src/records/document.js';

writeFileSync(new URL('../docs/records.md', import.meta.url), recordsDocument());
