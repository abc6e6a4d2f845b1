import { PgcmError } from '../domain/errors.js';
import type { Milliseconds } from '../domain/time.js';
import { exec } from '../runtime/exec.js';

export interface Owner {
  readonly uid: number | undefined;
  readonly gid: number | undefined;
}

/**
 * The numbers of `USER` or `USER:GROUP`; of a user alone the group stays as it is. getent asks all the
 * sources of users that the machine has, which /etc/passwd is only one of.
 * @throws PgcmError `unavailable` when there is no such user or group
 */
export async function ownerOf(text: string, timeout: Milliseconds, signal: AbortSignal): Promise<Owner> {
  if (text === '') return { uid: undefined, gid: undefined };
  const [user = '', group] = text.split(':');
  return {
    uid: await numberOf('passwd', user, timeout, signal),
    gid: group === undefined ? undefined : await numberOf('group', group, timeout, signal),
  };
}

async function numberOf(
  database: 'passwd' | 'group',
  name: string,
  timeout: Milliseconds,
  signal: AbortSignal,
): Promise<number> {
  if (/^\d{1,9}$/.test(name)) return Number(name);
  const { status, stdout } = await exec('getent', [database, name], { timeout, signal });
  const id = stdout.split(':')[2];
  if (status === 0 && id !== undefined && /^\d+$/.test(id)) return Number(id);
  const what = database === 'passwd' ? 'user' : 'group';
  throw new PgcmError('unavailable', `owner: this machine has no ${what} ${name}`);
}
