import { PgcmError } from '../domain/errors.js';
import type { Command } from './context.js';

export const run: Command<'status'> = () =>
  Promise.reject(new PgcmError('unsupported', 'status is not there yet'));
