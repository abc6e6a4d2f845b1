import { z } from 'zod';
import { list, text } from './fields.js';
import { JsonRecord } from './record.js';
import { switchoverReport } from './switchover-report.js';

const schema = z.object({
  reports: list(switchoverReport.schema, 100, 'The reports, the newest first.'),
  problems: list(text(2_000, ''), 100, 'One text for each report in etcd that is not understood.'),
});

/** What `pgcm history --json` prints. */
export const history = new JsonRecord<z.input<typeof schema>, typeof schema>({
  name: 'history',
  maxBytes: 200_000_000,
  schema,
  decode: (json) => json,
  encode: (value) => value,
});
