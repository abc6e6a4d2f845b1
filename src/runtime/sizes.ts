const UNITS = { B: 1, kB: 1_024, MB: 1_024 ** 2, GB: 1_024 ** 3 } as const;

/** A number of bytes as postgresql.conf writes it: `16MB`. @returns undefined for anything else */
export function parseSize(text: string): number | undefined {
  const [, digits = '', unit = ''] = /^(\d{1,9})(B|kB|MB|GB)$/.exec(text) ?? [];
  return digits === '' ? undefined : Number(digits) * UNITS[unit as keyof typeof UNITS];
}

export function formatSize(bytes: number): string {
  const unit = (['GB', 'MB', 'kB'] as const).find((name) => bytes % UNITS[name] === 0 && bytes > 0);
  return unit === undefined ? `${bytes}B` : `${bytes / UNITS[unit]}${unit}`;
}
