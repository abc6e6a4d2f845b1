/** A growing list of 32-bit numbers: millions of them cost what they are, and not an object each. */
export class IntList {
  private values = new Int32Array(1024);
  private used = 0;

  get length(): number {
    return this.used;
  }

  push(...added: readonly number[]): void {
    if (this.used + added.length > this.values.length) {
      const larger = new Int32Array(this.values.length * 2);
      larger.set(this.values);
      this.values = larger;
    }
    for (const value of added) this.values[this.used++] = value;
  }

  at(index: number): number {
    const value = index < this.used ? this.values[index] : undefined;
    if (value === undefined) throw new RangeError(`${index} is not below ${this.used}`);
    return value;
  }
}
