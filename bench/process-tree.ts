/** CPU and memory of a daemon with its children, from /proc/PID/stat (proc(5)). Pure. */

export interface ProcessStat {
  readonly pid: number;
  readonly parent: number;
  /** Clock ticks used by the process, and by children it has waited for. */
  readonly own: number;
  readonly reaped: number;
  /** Resident pages. */
  readonly resident: number;
}

export interface Usage {
  readonly cpuSeconds: number;
  readonly rssMb: number;
}

/** USER_HZ and the page size are fixed on Linux on amd64 and arm64 (Debian's kernels). */
const ticksPerSecond = 100;
const pageBytes = 4_096;

/** @returns undefined for what is no line of /proc/PID/stat */
export function parseStat(line: string): ProcessStat | undefined {
  // The command's name, in parentheses, may hold blanks and parentheses itself.
  const match = /^(\d+) \(.*\) \S (.*)$/s.exec(line.trim());
  const fields = match?.[2]?.split(' ').map(Number) ?? [];
  // Numbered as in proc(5), where the parent is field 4.
  const field = (number: number): number => fields[number - 4] ?? Number.NaN;
  const pid = Number(match?.[1]);
  const stat = {
    pid,
    parent: field(4),
    own: field(14) + field(15),
    reaped: field(16) + field(17),
    resident: field(24),
  };
  return Object.values(stat).every(Number.isFinite) ? stat : undefined;
}

/**
 * What a process and its living descendants have used so far. A child that has ended is in its
 * parent's `reaped`, so the sum goes on growing however short the children live.
 */
export function usageOf(root: number, stats: readonly ProcessStat[]): Usage | undefined {
  const found = stats.find(({ pid }) => pid === root);
  if (found === undefined) return undefined;
  const family = [found];
  for (let index = 0; index < family.length; index++) {
    family.push(...stats.filter(({ parent }) => parent === family[index]?.pid));
  }
  const sum = (of: (stat: ProcessStat) => number): number => family.reduce((all, stat) => all + of(stat), 0);
  return {
    cpuSeconds: sum(({ own, reaped }) => own + reaped) / ticksPerSecond,
    rssMb: (sum(({ resident }) => resident) * pageBytes) / 1e6,
  };
}
