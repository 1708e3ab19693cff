/** Protobuf's wire format, written into one buffer that grows. For what is sent thousands of times a second. */

const encoder = new TextEncoder();
/** Below this length a string is copied character by character: calling the encoder costs more. */
const SHORT_STRING = 48;

/** Most bytes of a length. */
export const LENGTH_BYTES_MAX = 5;

/** A buffer that grows. */
export class Writer {
  #bytes: Uint8Array;
  #length = 0;

  /** @param capacity Bytes to begin with. */
  constructor(capacity = 64) {
    this.#bytes = new Uint8Array(capacity);
  }

  /** Bytes that it holds without growing. */
  get capacity(): number {
    return this.#bytes.length;
  }

  /** Bytes written so far. */
  get length(): number {
    return this.#length;
  }

  /** What was written: a view, good until the next write. */
  finish(): Uint8Array {
    return this.#bytes.subarray(0, this.#length);
  }

  /**
   * What was written from byte `start` on, with its length in front: written into the bytes before `start`, which were left free for it
   * (`LENGTH_BYTES_MAX`). A view, good until the next write.
   */
  withLength(start: number): Uint8Array {
    const end = this.#length;
    const from = start - varintBytes(end - start);
    // Growing keeps what is written up to here: it must not happen while the end is set back.
    this.#reserve(10);
    this.#length = from;
    this.varint(end - start);
    this.#length = end;
    return this.#bytes.subarray(from, end);
  }

  /** Goes on at byte `length`: what was written there and behind it is overwritten, what was not is left free. */
  truncate(length: number): void {
    this.#length = length;
  }

  /** An unsigned number up to 2^53. */
  varint(value: number): this {
    this.#reserve(10);
    let rest = value;
    while (rest > 0x7fffffff) {
      this.#bytes[this.#length++] = (rest % 128) | 0x80;
      rest = Math.floor(rest / 128);
    }
    while (rest > 0x7f) {
      this.#bytes[this.#length++] = (rest & 0x7f) | 0x80;
      rest >>>= 7;
    }
    this.#bytes[this.#length++] = rest;
    return this;
  }

  /** A signed number, as int32 and int64 are. */
  signed(value: number): this {
    return value < 0 ? this.#big(BigInt.asUintN(64, BigInt(value))) : this.varint(value);
  }

  /** Field number and wire type. */
  tag(field: number, wireType: number): this {
    return this.varint(field * 8 + wireType);
  }

  /** A field of bytes. */
  bytes(field: number, value: Uint8Array): this {
    return this.tag(field, 2).varint(value.length).raw(value);
  }

  /** A field of text. */
  string(field: number, value: string): this {
    return this.tag(field, 2).text(value);
  }

  /** Length and UTF-8 of `value`. */
  text(value: string): this {
    if (value.length <= SHORT_STRING && this.#ascii(value)) {
      return this;
    }
    const utf8 = encoder.encode(value);
    return this.varint(utf8.length).raw(utf8);
  }

  /** Bytes as they are. */
  raw(value: Uint8Array): this {
    this.#reserve(value.length);
    this.#bytes.set(value, this.#length);
    this.#length += value.length;
    return this;
  }

  /** A field of what `write` writes. */
  nested(field: number, write: () => void): this {
    this.tag(field, 2);
    const start = this.#length;
    // Room for the usual length of one byte; longer ones move what was written.
    this.#reserve(1);
    this.#length += 1;
    write();
    const length = this.#length - start - 1;
    if (length < 0x80) {
      this.#bytes[start] = length;
      return this;
    }
    const extra = length < 0x4000 ? 1 : length < 0x200000 ? 2 : length < 0x10000000 ? 3 : 4;
    this.#reserve(extra);
    this.#bytes.copyWithin(start + 1 + extra, start + 1, this.#length);
    this.#length = start;
    this.varint(length);
    this.#length += length;
    return this;
  }

  /** True if `value` was ASCII and is written; else nothing is. */
  #ascii(value: string): boolean {
    const length = value.length;
    this.#reserve(length + 1);
    const at = this.#length;
    this.#bytes[at] = length;
    for (let i = 0; i < length; i++) {
      const code = value.charCodeAt(i);
      if (code > 0x7f) {
        return false;
      }
      this.#bytes[at + 1 + i] = code;
    }
    this.#length = at + 1 + length;
    return true;
  }

  #big(value: bigint): this {
    this.#reserve(10);
    let rest = value;
    while (rest > 0x7fn) {
      this.#bytes[this.#length++] = Number(rest & 0x7fn) | 0x80;
      rest >>= 7n;
    }
    this.#bytes[this.#length++] = Number(rest);
    return this;
  }

  #reserve(more: number): void {
    const needed = this.#length + more;
    if (needed > this.#bytes.length) {
      const larger = new Uint8Array(Math.max(needed, this.#bytes.length * 2));
      larger.set(this.#bytes.subarray(0, this.#length));
      this.#bytes = larger;
    }
  }
}

function varintBytes(value: number): number {
  let bytes = 1;
  for (let rest = value; rest > 0x7f; rest = Math.floor(rest / 128)) {
    bytes++;
  }
  return bytes;
}
