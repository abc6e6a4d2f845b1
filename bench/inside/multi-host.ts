/** What is asked of a connection to choose it. */
export interface Session {
  query(text: string): Promise<{ readonly rows: readonly unknown[] }>;
  end(): Promise<void>;
}

/**
 * As libpq connects with several hosts and target_session_attrs=read-write: one after the other in their order,
 * until one takes writes. @throws what the last one came to
 */
export async function firstWritable<S extends Session>(
  hosts: readonly string[],
  open: (host: string) => Promise<S>,
): Promise<S> {
  let failure: unknown = new Error('no host to connect to');
  for (const host of hosts) {
    try {
      const session = await open(host);
      if (await takesWrites(session)) return session;
      failure = new Error(`session is read-only: ${host}`);
    } catch (error) {
      failure = error;
    }
  }
  throw failure;
}

/** Of one that does not, or fails, the connection is given up. */
async function takesWrites(session: Session): Promise<boolean> {
  let writable = false;
  try {
    const { rows } = await session.query('show transaction_read_only');
    const row = rows[0] as { readonly transaction_read_only?: string } | undefined;
    writable = row?.transaction_read_only === 'off';
    return writable;
  } finally {
    // Not waited for: a host that hangs does not answer the farewell either.
    if (!writable) void session.end().catch(() => undefined);
  }
}
