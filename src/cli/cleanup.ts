import { PgcmError } from '../domain/errors.js';
import type { Command } from './context.js';

export const run: Command<'cleanup'> = () =>
  Promise.reject(new PgcmError('unsupported', 'cleanup is not there yet'));
