import { z } from 'zod';
import type { NodeState } from '../domain/switchover.js';
import { date, text } from './fields.js';
import { JsonRecord } from './record.js';

const schema = z.object({
  name: text(256, "The node's name in the cluster manager."),
  api: text(256, 'host:port of its failover API.'),
  version: text(64, 'Of pgcm.'),
  since: date('When it registered.'),
});

export const nodeState = new JsonRecord<NodeState, typeof schema>({
  name: "node's state",
  maxBytes: 16_384,
  schema,
  decode: (json) => json,
  encode: (state) => ({ ...state }),
});
