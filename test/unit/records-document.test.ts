import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { describe, it } from 'node:test';
import { fileURLToPath } from 'node:url';
import { z } from 'zod';
import { allRecords } from '../../src/records/all.js';
import { recordsDocument } from '../../src/records/document.js';

const document = fileURLToPath(new URL('../../../docs/records.md', import.meta.url));

describe('the documentation of the records', () => {
  it('is current', () => {
    const text = readFileSync(document, 'utf8');
    assert.ok(text === recordsDocument(), 'run `node scripts/update-docs.mjs` after a build');
  });

  it('explains every field', () => {
    for (const entry of allRecords) {
      const rows = recordsDocument([entry])
        .split('\n')
        .filter((line) => line.startsWith('| `'));
      assert.ok(rows.length > 0, entry.title);
      for (const row of rows) assert.doesNotMatch(row, /\| +\|$/, `${entry.title}: ${row}`);
    }
  });

  it('shows lists, what is optional, and which fields belong to which kind', () => {
    const schema = z.object({
      kinds: z
        .discriminatedUnion('kind', [
          z.object({ kind: z.literal('a').meta({ description: 'A.' }) }),
          z.object({
            kind: z.literal('b').meta({ description: 'B.' }),
            why: z.string().meta({ description: 'W.' }),
          }),
        ])
        .meta({ description: 'K.' }),
      list: z.array(z.object({ n: z.number().meta({ description: 'x|y' }) })).optional(),
      either: z.enum(['up', 'lost']),
    });
    const text = recordsDocument([{ title: 'T', where: '/t', about: 'About.', record: { schema } }]);
    const rows = text.slice(text.indexOf('| --- |')).split('\n').slice(1);
    assert.deepEqual(rows, [
      '| `kinds` | object | K. |',
      '| `kinds.kind` | `"a"` | A. |',
      '| `kinds.kind` | `"b"` | B. |',
      '| `kinds.why` | string, with `"b"` | W. |',
      '| `list` | list of object, optional |  |',
      '| `list[].n` | number | x\\|y |',
      '| `either` | `"up"` \\| `"lost"` |  |',
      '',
    ]);
  });
});
