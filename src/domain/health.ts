/** The answer to a health check; it never throws, and what is not known is a no. */
export interface HealthAnswer {
  readonly ok: boolean;
  /** In one line: what is true, or why not. */
  readonly text: string;
}

export const yes = (text: string): HealthAnswer => ({ ok: true, text });
export const no = (text: string): HealthAnswer => ({ ok: false, text });

/** What is older is not known any more: health checks go by what was heard within this time; ms. */
export const OLDEST_HEARD = 2_000;
