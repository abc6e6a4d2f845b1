/** Ends the run with its lines on stderr and this exit status; no stack trace helps the reader. */
export class Problem extends Error {
  constructor(lines, status = 1) {
    super([lines].flat().join('\n'));
    this.lines = [lines].flat();
    this.status = status;
  }
}
