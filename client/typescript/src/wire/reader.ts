/** Protobuf's wire format, read without copying: bytes are views into what came. */

const decoder = new TextDecoder();
const EMPTY = new Uint8Array(0);

/** Goes through the fields of one message: `while (reader.next()) switch (reader.field) ...`. */
export class Reader {
  /** Number of the field that `next` found. */
  field = 0;
  #wireType = 0;
  #bytes: Uint8Array;
  #at: number;
  #end: number;

  /** @param wireType Of the field whose value `bytes` is, where that is read without `next`. */
  constructor(bytes: Uint8Array, start = 0, end = bytes.length, wireType = 0) {
    this.#wireType = wireType;
    this.#bytes = bytes;
    this.#at = start;
    this.#end = end;
  }

  /** Finds the next field. False at the end. */
  next(): boolean {
    if (this.#at >= this.#end) {
      return false;
    }
    const tag = this.varint();
    this.field = tag >>> 3;
    this.#wireType = tag & 7;
    return true;
  }

  /** An unsigned or non-negative number. Exact up to 2^53, which no count or time of the API passes. */
  varint(): number {
    let value = 0;
    let scale = 1;
    for (;;) {
      const byte = this.#bytes[this.#at++] as number;
      if (this.#at > this.#end) {
        throw new RangeError("a message of the broker is cut short");
      }
      value += (byte & 0x7f) * scale;
      if (byte < 0x80) {
        return value;
      }
      scale *= 128;
    }
  }

  /** A signed 64-bit number. */
  signed(): number {
    const start = this.#at;
    const value = this.varint();
    if (value <= Number.MAX_SAFE_INTEGER) {
      return value;
    }
    let exact = 0n;
    for (let at = start, shift = 0n; at < this.#at; at++, shift += 7n) {
      exact |= BigInt((this.#bytes[at] as number) & 0x7f) << shift;
    }
    return Number(BigInt.asIntN(64, exact));
  }

  /** A view of the field's bytes. */
  bytes(): Uint8Array {
    const [start, end] = this.#span();
    return start === end ? EMPTY : this.#bytes.subarray(start, end);
  }

  /** The field's text. */
  string(): string {
    const [start, end] = this.#span();
    let text = "";
    for (let i = start; i < end; i++) {
      const code = this.#bytes[i] as number;
      if (code > 0x7f || i - start > 64) {
        return decoder.decode(this.#bytes.subarray(start, end));
      }
      text += String.fromCharCode(code);
    }
    return text;
  }

  /** The message in the field. */
  nested(): Reader {
    const [start, end] = this.#span();
    return new Reader(this.#bytes, start, end);
  }

  /** Each number of a repeated field, packed or not. */
  numbers(each: (value: number) => void): void {
    if (this.#wireType === 0) {
      each(this.varint());
      return;
    }
    const length = this.varint();
    const end = this.#at + length;
    while (this.#at < end) {
      each(this.varint());
    }
  }

  /** Passes over a field that is not known here. */
  skip(): void {
    switch (this.#wireType) {
      case 0:
        this.varint();
        return;
      case 1:
        this.#at += 8;
        return;
      case 2:
        this.#span();
        return;
      case 5:
        this.#at += 4;
        return;
      default:
        throw new RangeError(`wire type ${this.#wireType} is not known`);
    }
  }

  #span(): [number, number] {
    const length = this.varint();
    const start = this.#at;
    this.#at += length;
    if (this.#at > this.#end) {
      throw new RangeError("a message of the broker is cut short");
    }
    return [start, this.#at];
  }
}
