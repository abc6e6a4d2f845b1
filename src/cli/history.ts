import { PgcmError } from '../domain/errors.js';
import type { Command } from './context.js';

export const run: Command<'history'> = () =>
  Promise.reject(new PgcmError('unsupported', 'history is not there yet'));
