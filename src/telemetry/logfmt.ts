/** One log record as logfmt: `ts=... event=... key="some text"`. Values are kept on one line. */
export function toLogfmt(record: unknown): string {
  if (typeof record !== 'object' || record === null) return String(record);
  const { ts, level, event, ...rest } = record as Record<string, unknown>;
  // Info is the normal case; a level stands out only where it says something.
  const shown = { ts, ...(level === 'info' ? {} : { level }), event, ...rest };
  return Object.entries(shown)
    .filter(([, value]) => value !== undefined)
    .map(([key, value]) => `${key}=${logfmtValue(value)}`)
    .join(' ');
}

function logfmtValue(value: unknown): string {
  const text = typeof value === 'string' ? value : JSON.stringify(value);
  // JSON's quoting is logfmt's too, and it escapes every control character but DEL.
  return /^[^\s"=\\\p{Cc}]+$/u.test(text)
    ? text
    : JSON.stringify(text).replace(
        /[\u007f-\u009f]/g,
        (c) => `\\u${c.charCodeAt(0).toString(16).padStart(4, '0')}`,
      );
}
