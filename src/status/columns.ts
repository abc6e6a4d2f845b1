/** Rows of cells in columns. Nothing that came from elsewhere reaches the terminal unchecked. */
export function columns(heads: readonly string[], rows: readonly (readonly string[])[]): readonly string[] {
  const all = [heads, ...rows].map((row) => row.map(plain));
  const widths = heads.map((_, at) => Math.max(...all.map((row) => row[at]?.length ?? 0)));
  return all.map((row) =>
    row
      .map((cell, at) => cell.padEnd(widths[at] ?? 0))
      .join('  ')
      .trimEnd(),
  );
}

/** On one line, without control characters, and not endless. */
export function plain(text: string): string {
  const line = text
    .slice(0, 1_000)
    .replace(/\s*[\p{Cc}\u2028\u2029]+\s*/gu, ' ')
    .trimEnd();
  return line.length > 400 ? `${line.slice(0, 397)}...` : line;
}
