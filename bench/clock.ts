/**
 * Milliseconds on the machine's monotonic clock (CLOCK_MONOTONIC). All namespaces share it, so stamps
 * taken in a host and outside can be compared; `performance.now()` counts from each process's start.
 */
export function machineClock(): number {
  return Number(process.hrtime.bigint()) / 1e6;
}

/** Where a date of the wall clock (ms since 1970) stands on the machine's monotonic clock. */
export function onMachineClock(date: number): number {
  return date - Date.now() + machineClock();
}
