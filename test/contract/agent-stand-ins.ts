import {
  chmodSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { eventually } from '../support/eventually.js';

const BINARIES = '/usr/lib/postgresql/15/bin';

/** Pacemaker's two programs write down how they were called. */
const RECORDER = `#!/bin/sh
echo "\${0##*/} $*" >>"$AGENT_TEST_FOLDER/calls"
`;

/**
 * etcdctl, with a say in each transaction, which are counted: hold-N, before it is sent; lose-N, it is made and its answer
 * lost; keep-N, it is not sent, and kept for later; cut, nothing gets through.
 */
const ETCDCTL = `#!/bin/sh
folder=$AGENT_TEST_FOLDER/etcdctl
if [ -e "$folder/cut" ]; then
    echo 'Error: context deadline exceeded' >&2
    exit 4
fi
[ "$1" = txn ] || exec /usr/bin/etcdctl "$@"
echo >>"$folder/transactions"
number=$(($(wc -l <"$folder/transactions")))
cat >"$folder/input-$number"
while [ -e "$folder/hold-$number" ]; do
    : >"$folder/held-$number"
    sleep 0.05
done
if [ -e "$folder/keep-$number" ] || [ -e "$folder/keep-all" ]; then
    echo 'Error: context deadline exceeded' >&2
    exit 4
fi
if [ -e "$folder/lose-$number" ]; then
    /usr/bin/etcdctl "$@" <"$folder/input-$number" >/dev/null
    echo 'Error: context deadline exceeded' >&2
    exit 4
fi
exec /usr/bin/etcdctl "$@" <"$folder/input-$number"
`;

type Say = 'hold' | 'lose' | 'keep';

/** Programs that a member's agent finds in place of the real ones. */
export class StandIns {
  readonly path: string;
  readonly #folder: string;
  readonly #etcdctl: string;

  /** @param folder the member's, which the agent knows as AGENT_TEST_FOLDER */
  constructor(folder: string) {
    this.#folder = folder;
    this.path = join(folder, 'path');
    this.#etcdctl = join(folder, 'etcdctl');
    mkdirSync(this.path);
    mkdirSync(this.#etcdctl);
    this.#program('crm_attribute', RECORDER);
    this.#program('attrd_updater', RECORDER);
    this.#program('etcdctl', ETCDCTL);
  }

  /** The score that the agent gave last; undefined when it gave none since `forget`. */
  get score(): string | undefined {
    return this.#last(/^crm_attribute .*--update=(\S+)/);
  }

  /** The node attribute that the agent set last. */
  attribute(name: 'state' | 'data-status'): string | undefined {
    return this.#last(new RegExp(`^attrd_updater --name \\S+-${name} --update (.*)`));
  }

  forget(): void {
    rmSync(join(this.#folder, 'calls'), { force: true });
  }

  /** What comes of a transaction, counted from 1 after this call. */
  transaction(number: number, say: Say): { reached(): Promise<void>; release(): void } {
    rmSync(join(this.#etcdctl, 'transactions'), { force: true });
    rmSync(join(this.#etcdctl, `held-${number}`), { force: true });
    const file = join(this.#etcdctl, `${say}-${number}`);
    writeFileSync(file, '');
    return {
      reached: () =>
        eventually(() => existsSync(join(this.#etcdctl, `held-${number}`)), {
          limit: 60_000,
          every: 20,
          what: `transaction ${number} is about to be sent`,
        }),
      release: () => rmSync(file),
    };
  }

  /** No transaction is sent from now on; all are kept. */
  keepAll(): void {
    rmSync(join(this.#etcdctl, 'transactions'), { force: true });
    writeFileSync(join(this.#etcdctl, 'keep-all'), '');
  }

  /** Nothing gets to etcd, or everything again. */
  cut(cut: boolean): void {
    const file = join(this.#etcdctl, 'cut');
    if (cut) writeFileSync(file, '');
    else rmSync(file, { force: true });
  }

  /** How many transactions there were since the last call that set something up. */
  get transactions(): number {
    const file = join(this.#etcdctl, 'transactions');
    return existsSync(file) ? readFileSync(file, 'utf8').length : 0;
  }

  /** What a transaction said to etcd. */
  input(number: number): string {
    return readFileSync(join(this.#etcdctl, `input-${number}`), 'utf8');
  }

  /** PostgreSQL's programs, one of them replaced by a script. @returns their folder, for the agent's `bindir` */
  binaries(name: string, script: string): string {
    const folder = join(this.#folder, `bin-${name}`);
    rmSync(folder, { recursive: true, force: true });
    mkdirSync(folder);
    for (const program of readdirSync(BINARIES)) {
      if (program !== name) symlinkSync(join(BINARIES, program), join(folder, program));
    }
    writeFileSync(join(folder, name), `#!/bin/sh\nreal=${BINARIES}/${name}\n${script}\n`);
    chmodSync(join(folder, name), 0o755);
    return folder;
  }

  #program(name: string, script: string): void {
    writeFileSync(join(this.path, name), script);
    chmodSync(join(this.path, name), 0o755);
  }

  #last(pattern: RegExp): string | undefined {
    const file = join(this.#folder, 'calls');
    if (!existsSync(file)) return undefined;
    const found = readFileSync(file, 'utf8')
      .split('\n')
      .map((line) => pattern.exec(line)?.[1]);
    return found.filter((value) => value !== undefined).at(-1);
  }
}
