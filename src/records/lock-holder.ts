import { z } from 'zod';
import { hasCode } from '../domain/errors.js';
import type { LockHolder } from '../domain/stores.js';
import { count, id, text } from './fields.js';
import { JsonRecord } from './record.js';

const schema = z.object({
  id: id("The switchover's id."),
  host: text(256, 'Where the command runs.'),
  pid: count("The command's process."),
  since: text(64, 'When it asked for the lock (RFC 3339).'),
});

export const lockHolder = new JsonRecord<LockHolder, typeof schema>({
  name: 'holder of the failover lock',
  maxBytes: 4_096,
  schema,
  decode: (json) => json,
  encode: (holder) => ({ ...holder }),
});

/**
 * Undefined for an empty value and for one that pgcm did not write (pgsql-cluster-manager leaves none):
 * the lock is as good, only its holder is unknown.
 */
export function parseHolder(value: Buffer): LockHolder | undefined {
  try {
    return lockHolder.parse(value, 'lock');
  } catch (error) {
    if (hasCode(error, 'invalid-answer')) return undefined;
    throw error;
  }
}
