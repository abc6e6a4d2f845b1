import { z } from 'zod';

/**
 * The kinds of fields that records are made of. Free text, lists and spans are made to fit, so that
 * nothing a writer met (an error of many pages, a clock's fraction) keeps its record from being written or
 * read; what a program acts on (ids, revisions, kinds) is refused when it is not as it must be.
 */

/** Text for people: on one line, without control characters, shortened. It may end up on a terminal. */
export function text(max: number, explain: string): z.ZodString {
  return z
    .string()
    .overwrite((value) => fit(value, max))
    .meta({ description: explain });
}

/** A name that becomes part of keys in etcd and of names in other programs. */
export const ID = /^[A-Za-z0-9][A-Za-z0-9._:@-]{0,127}$/;

export function id(explain: string): z.ZodString {
  return z.string().regex(ID).meta({ description: explain });
}

export function list<T extends z.ZodType>(item: T, max: number, explain: string): z.ZodArray<T> {
  return z
    .array(item)
    .overwrite((items) => items.slice(0, max))
    .meta({ description: explain });
}

/** A span in milliseconds, to a thousandth. */
export function span(explain: string): z.ZodNumber {
  return z
    .number()
    .overwrite((value) => Math.max(0, Math.round(value * 1_000) / 1_000))
    .meta({ description: explain });
}

export function count(explain: string): z.ZodNumber {
  return z.number().int().min(0).max(Number.MAX_SAFE_INTEGER).meta({ description: explain });
}

/** RFC 3339. For people: nothing is computed from a date, as wall clocks jump. */
export function date(explain: string): z.ZodISODateTime {
  return z.iso.datetime({ offset: true }).meta({ description: explain });
}

/** An int64 as decimal text: programs that read JSON round numbers above 2^53. */
export function decimal(explain: string): z.ZodString {
  return z
    .string()
    .regex(/^(?:0|[1-9]\d{0,19})$/)
    .meta({ description: explain });
}

function fit(value: string, max: number): string {
  const line = value
    .slice(0, 2 * max)
    .replace(/\s*[\p{Cc}\u2028\u2029]+\s*/gu, ' ')
    .trim();
  return line.length > max ? `${line.slice(0, max - 3)}...` : line;
}
