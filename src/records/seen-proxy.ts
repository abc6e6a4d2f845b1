import { z } from 'zod';
import type { SeenProxy } from '../domain/switchover.js';
import { date, id, text } from './fields.js';
import { JsonRecord } from './record.js';

const schema = z.object({
  id: id('proxy-id.'),
  host: text(256, "The host's name."),
  since: date('When it last registered.'),
});

export const seenProxy = new JsonRecord<SeenProxy, typeof schema>({
  name: 'proxy that was seen',
  maxBytes: 4_096,
  schema,
  decode: (json) => json,
  encode: (seen) => ({ ...seen }),
});
