/** What the writers in the client host tell the driver, one JSON object a line. Times are on the machine's clock. */

/** An insert that was answered without a warning: from now on it must be there. */
export interface Acknowledged {
  readonly kind: 'acknowledged';
  readonly client: number;
  readonly id: number;
  readonly sent: number;
  readonly done: number;
  /** The address of the PostgreSQL that wrote it, and the timeline on which it did, by the row itself. */
  readonly server: string;
  readonly timeline: number;
}

/** Answered with a warning, such as that its wait for a standby was cancelled: no acknowledgement. */
export interface Warned {
  readonly kind: 'warned';
  readonly client: number;
  readonly id: number;
  readonly done: number;
  readonly message: string;
}

export interface Refused {
  readonly kind: 'refused';
  readonly client: number;
  readonly done: number;
  readonly message: string;
}

export type WriterRecord =
  Acknowledged | Warned | Refused | { readonly kind: 'started' } | { readonly kind: 'ended' };

/** Clients of one kind. */
export interface WriterTarget {
  readonly name: string;
  /** More than one: the clients look for the one that takes writes. */
  readonly hosts: readonly { readonly host: string; readonly port: number }[];
  readonly clients: number;
  /** After this a statement counts as failed, and its connection is given up. */
  readonly timeoutMs: number;
}

export interface WritersConfig {
  readonly targets: readonly WriterTarget[];
  readonly table: string;
  readonly seconds: number;
  /** Statements a second that each client tries. */
  readonly rate: number;
}
