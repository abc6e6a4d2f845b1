import type { z } from 'zod';
import { quote } from '../domain/address.js';
import { PgcmError } from '../domain/errors.js';

export interface RecordDeclaration<T, S extends z.ZodType> {
  /** As in messages: `pause request`. */
  readonly name: string;
  /** The JSON. Its fields' descriptions are the documentation. */
  readonly schema: S;
  /** What the JSON says, as the domain has it. */
  readonly decode: (json: z.output<S>) => T;
  readonly encode: (value: T) => z.input<S>;
  /** Longer values are not even decoded. */
  readonly maxBytes: number;
}

/** A JSON value in etcd, or of a command's output: declared once, and validated whenever it is read. */
export class JsonRecord<T, S extends z.ZodType = z.ZodType> {
  readonly name: string;
  readonly schema: S;
  readonly #declaration: RecordDeclaration<T, S>;

  constructor(declaration: RecordDeclaration<T, S>) {
    this.name = declaration.name;
    this.schema = declaration.schema;
    this.#declaration = declaration;
  }

  /**
   * @param where the key, for the message
   * @throws PgcmError `invalid-answer` saying which field is not as it must be
   */
  parse(value: Buffer, where: string): T {
    const { maxBytes, decode } = this.#declaration;
    const refuse = (why: string): PgcmError =>
      new PgcmError('invalid-answer', `${quote(where, 200)} is no ${this.name}: ${why}`);
    if (value.length > maxBytes) throw refuse(`its ${value.length} bytes are more than ${maxBytes}`);
    let json: unknown;
    try {
      json = JSON.parse(value.toString('utf8'));
    } catch {
      throw refuse('it is not JSON');
    }
    const parsed = this.schema.safeParse(json);
    if (!parsed.success) throw refuse(describe(parsed.error));
    return decode(parsed.data);
  }

  /** The JSON of a value: an object for a larger document, checked and made to fit. */
  json(value: T): z.output<S> {
    const parsed = this.schema.safeParse(this.#declaration.encode(value));
    if (parsed.success) return parsed.data;
    throw new PgcmError('internal', `this ${this.name} cannot be written: ${describe(parsed.error)}`);
  }

  serialise(value: T): string {
    return JSON.stringify(this.json(value));
  }
}

/** The first few things that are wrong, each with where it is. */
function describe({ issues }: z.ZodError): string {
  const texts = issues.slice(0, 3).map(({ path, message }) => {
    const at = path.map(String).join('.');
    return `${at === '' ? '' : `${quote(at)}: `}${message}`;
  });
  return texts.join('; ') + (issues.length > 3 ? `; and ${issues.length - 3} more` : '');
}
