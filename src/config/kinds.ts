import { quote } from '../domain/address.js';
import type { Milliseconds } from '../domain/time.js';
import { formatDuration, parseDuration } from '../runtime/durations.js';
import { formatSize, parseSize } from '../runtime/sizes.js';

/** What came of reading a value. `why` completes the sentence "X: ..." and holds no secret. */
export type Reading<T> =
  { readonly ok: true; readonly value: T } | { readonly ok: false; readonly why: string };

/** How the values of an option are read and written. */
export interface Kind<T> {
  /** Its name in help and tables: `DURATION`. Empty for a switch, which needs no value. */
  readonly label: string;
  /** Values that must not be shown anywhere. */
  readonly secret: boolean;
  /** True when several flags of the same name add up, rather than the last one winning. */
  readonly list: boolean;
  /** From a flag or an environment variable. */
  read(text: string): Reading<T>;
  /** From what the TOML parser gives. */
  readToml(value: unknown): Reading<T>;
  /** As a TOML value. */
  toToml(value: T): string;
  /** For help, where quotes would only be noise. */
  toText(value: T): string;
}

const right = <T>(value: T): Reading<T> => ({ ok: true, value });
const wrong = (why: string): { readonly ok: false; readonly why: string } => ({ ok: false, why });

/** A setTimeout of more than 2^31-1 ms would fire at once; 24 days is the longest full day below it. */
const LONGEST: Milliseconds = 24 * 24 * 3_600_000;

/** A number of bytes, written as in postgresql.conf: `16MB`. */
export function size(): Kind<number> {
  return textKind(
    'SIZE',
    (text) => {
      const bytes = parseSize(text);
      return bytes === undefined
        ? wrong(`${quote(text)} is no size; write it like 16MB, in B, kB, MB or GB`)
        : right(bytes);
    },
    formatSize,
  );
}

/** A kind whose values are written as text, in TOML between quotes. */
function textKind<T>(
  label: string,
  read: (text: string) => Reading<T>,
  toText: (value: T) => string,
  more: Partial<Kind<T>> = {},
): Kind<T> {
  return {
    label,
    secret: false,
    list: false,
    read,
    readToml: (value) =>
      typeof value === 'string' ? read(value) : wrong(`expected text between quotes, found ${nature(value)}`),
    toToml: (value) => tomlString(toText(value)),
    toText,
    ...more,
  };
}

/** Any text on one line. */
export function text({ empty }: { readonly empty: 'allowed' | 'refused' }, label = 'TEXT'): Kind<string> {
  return textKind(
    label,
    (value) => {
      if (value === '' && empty === 'refused') return wrong('must not be empty');
      if (/\p{Cc}/u.test(value)) return wrong(`${quote(value)} holds a control character`);
      return right(value);
    },
    (value) => value,
  );
}

/** A file or folder. The empty text, where it is allowed, means "none". */
export function path(empty: 'allowed' | 'refused'): Kind<string> {
  return text({ empty }, 'PATH');
}

/** A password. No message ever quotes one. */
export function secret(): Kind<string> {
  return textKind(
    'SECRET',
    (value) => (/[\0\r\n]/.test(value) ? wrong('holds a line break or a NUL') : right(value)),
    (value) => value,
    { secret: true },
  );
}

/**
 * A span in Go's notation, in milliseconds.
 * @param zero whether 0 is a value, or the mistake that it is for a timeout
 */
export function duration(zero: 'allowed' | 'refused' = 'refused'): Kind<Milliseconds> {
  const read = (value: string): Reading<Milliseconds> => {
    const ms = parseDuration(value);
    if (ms === undefined) {
      const hint = /^\d+(\.\d+)?$/.test(value)
        ? `its unit is missing: ${value}s?`
        : 'write 500ms, 3s or 1m30s';
      return wrong(`${quote(value)} is not a duration: ${hint}`);
    }
    if (ms === 0 && zero === 'allowed') return right(ms);
    if (ms < 1) return wrong(`${quote(value)} is too short: at least 1ms`);
    if (ms > LONGEST) return wrong(`${quote(value)} is too long: at most ${formatDuration(LONGEST)}`);
    return right(ms);
  };
  return textKind('DURATION', read, formatDuration, {
    readToml: (value) => {
      if (typeof value === 'string') return read(value);
      // viper took a bare number for nanoseconds; nobody means that.
      if (typeof value === 'number') return wrong(`${value} has no unit: write "${value}s"?`);
      return wrong(`expected a duration between quotes, found ${nature(value)}`);
    },
  });
}

export function integer(min: number, max: number, label = 'NUMBER'): Kind<number> {
  const check = (value: number, shown: string): Reading<number> => {
    if (!Number.isSafeInteger(value)) return wrong(`${shown} is not a whole number`);
    if (value < min || value > max) return wrong(`${shown} is not between ${min} and ${max}`);
    return right(value);
  };
  const read = (value: string): Reading<number> =>
    check(/^-?\d+$/.test(value) ? Number(value) : Number.NaN, quote(value));
  return textKind<number>(label, read, String, {
    readToml: (value) => {
      if (typeof value === 'number') return check(value, String(value));
      return typeof value === 'string' ? read(value) : wrong(`expected a number, found ${nature(value)}`);
    },
    toToml: String,
  });
}

export const port = (): Kind<number> => integer(1, 65_535, 'PORT');

export function boolean(): Kind<boolean> {
  const read = (value: string): Reading<boolean> =>
    value === 'true' || value === 'false'
      ? right(value === 'true')
      : wrong(`${quote(value)} is neither true nor false`);
  return textKind<boolean>('', read, String, {
    readToml: (value) => {
      if (typeof value === 'boolean') return right(value);
      return typeof value === 'string'
        ? read(value)
        : wrong(`expected true or false, found ${nature(value)}`);
    },
    toToml: String,
  });
}

export function choice<const T extends string>(...values: readonly T[]): Kind<T> {
  return textKind(
    values.join('|'),
    (value) => {
      const found = values.find((candidate) => candidate === value);
      return found === undefined ? wrong(`${quote(value)} is none of ${values.join(', ')}`) : right(found);
    },
    (value) => value,
  );
}

interface ListRules {
  readonly distinct?: boolean;
  readonly empty?: 'allowed' | 'refused';
}

/**
 * One or more values of one kind: in a text separated by spaces or commas, in TOML an array or such a
 * text, also a single value.
 */
export function list<T>(
  element: Kind<T>,
  { distinct = false, empty = 'refused' }: ListRules = {},
): Kind<readonly T[]> {
  const gather = (readings: readonly Reading<T>[]): Reading<readonly T[]> => {
    const reasons = readings.flatMap((reading) => (reading.ok ? [] : [reading.why]));
    if (reasons.length > 0) return wrong(reasons.join('; '));
    const values = readings.flatMap((reading) => (reading.ok ? [reading.value] : []));
    if (values.length === 0 && empty === 'refused') return wrong('must name at least one');
    const twice = values.find((value, at) => values.indexOf(value) !== at);
    if (distinct && twice !== undefined) return wrong(`${quote(element.toText(twice))} stands there twice`);
    return right(values);
  };
  const read = (value: string): Reading<readonly T[]> =>
    gather(
      value
        .split(/[\s,]+/)
        .filter((part) => part !== '')
        .map((part) => element.read(part)),
    );
  return {
    label: `${element.label}...`,
    secret: element.secret,
    list: true,
    read,
    readToml: (value) => {
      if (Array.isArray(value)) return gather(value.map((part) => element.readToml(part)));
      return typeof value === 'string' ? read(value) : gather([element.readToml(value)]);
    },
    toToml: (values) => `[${values.map((value) => element.toToml(value)).join(', ')}]`,
    toText: (values) => values.map((value) => element.toText(value)).join(','),
  };
}

/** A TOML basic string. JSON's escapes are all TOML's too, but TOML also wants DEL escaped. */
export function tomlString(value: string): string {
  return JSON.stringify(value).replaceAll('\u007f', '\\u007f');
}

/** What a wrong TOML value is, without showing it, as it may stand under the wrong key. */
function nature(value: unknown): string {
  if (Array.isArray(value)) return 'an array';
  if (value instanceof Date) return 'a date';
  return typeof value === 'object' ? 'a table' : `a ${typeof value}`;
}
