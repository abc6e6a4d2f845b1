import { events } from '../domain/events.js';
import type { Log } from '../domain/log.js';
import type { Complaints } from './complaints.js';

/** @param error why the template that is on the disk now was not used; undefined: it was */
export function tellStaleTemplate(error: string | undefined, complaints: Complaints, log: Log): void {
  if (error === undefined) complaints.settle('template');
  else if (complaints.isNew('template', error)) {
    const text = 'going on with the template as it was before; a restart would fail';
    log.error(events.templateError, { error }, text);
  }
}
