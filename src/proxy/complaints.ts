/** Remembers what was said, so that a trouble which stays is told once and not at every retry. */
export class Complaints {
  readonly #told = new Map<string, Set<string>>();

  /** Whether this is to be told: a reason that is new since the subject was last fine. */
  isNew(subject: string, reason: string): boolean {
    const reasons = this.#told.get(subject) ?? new Set();
    this.#told.set(subject, reasons);
    if (reasons.has(reason)) return false;
    reasons.add(reason);
    return true;
  }

  /** The subject is fine; says whether it had trouble. */
  settle(subject: string): boolean {
    return this.#told.delete(subject);
  }
}
