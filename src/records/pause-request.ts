import { z } from 'zod';
import type { PauseRequest } from '../domain/switchover.js';
import { decimal, id, span } from './fields.js';
import { JsonRecord } from './record.js';

const schema = z.object({
  id: id("The switchover's id."),
  phase: z.enum(['pause', 'release', 'abort']).meta({
    description:
      'pause: hold the clients. release: let them go on once the applied route is of `release` or later. ' +
      'abort: let them go on where they are.',
  }),
  release: decimal('With phase release: the revision of the route that clients must be led by.').optional(),
  duration_ms: z.union([z.literal('never'), span('')]).meta({
    description:
      'After so long clients go on in any case; counted by each proxy from when it first saw the id.',
  }),
  timeout_ms: span('How long a bouncer may wait for open transactions.'),
});

export const pauseRequest = new JsonRecord<PauseRequest, typeof schema>({
  name: 'pause request',
  maxBytes: 4_096,
  schema: schema.refine(({ phase, release }) => (phase === 'release') === (release !== undefined), {
    path: ['release'],
    message: 'has to be there in phase release, and in no other',
  }),
  decode: (json) => ({
    id: json.id,
    phase: json.phase,
    release: json.release === undefined ? undefined : BigInt(json.release),
    duration: json.duration_ms,
    timeout: json.timeout_ms,
  }),
  encode: (request) => ({
    id: request.id,
    phase: request.phase,
    release: request.release?.toString(),
    duration_ms: request.duration,
    timeout_ms: request.timeout,
  }),
});
