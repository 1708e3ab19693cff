/** Room for so many bytes, given out in the order in which it was asked for. */
export class Room {
  readonly #max: number;
  #used = 0;
  #waiting: { bytes: number; run: () => void; reject: (error: Error) => void }[] = [];
  #closed: Error | undefined;

  /** @param max Bytes in all. */
  constructor(max: number) {
    this.#max = max;
  }

  /** Takes so many bytes if they are there and nobody waits. One that alone is larger than all passes when nothing else is in. */
  take(bytes: number): boolean {
    if (this.#waiting.length > 0 || !this.#fits(bytes)) {
      return false;
    }
    this.#used += bytes;
    return true;
  }

  /** Waits for so many bytes and takes them, then does `work` at once, before anyone else gets room. Throws once it is closed. */
  wait<T>(bytes: number, work: () => T): Promise<T> {
    if (this.#closed !== undefined) {
      return Promise.reject(this.#closed);
    }
    return new Promise((resolve, reject) => {
      const run = () => {
        try {
          resolve(work());
        } catch (error) {
          reject(error);
        }
      };
      this.#waiting.push({ bytes, run, reject });
    });
  }

  /** Makes what was taken at a guess what it is. */
  correct(guess: number, bytes: number): void {
    this.#used += bytes - guess;
  }

  /** Gives bytes back. */
  give(bytes: number): void {
    this.#used -= bytes;
    for (let first = this.#waiting[0]; first !== undefined && this.#fits(first.bytes); first = this.#waiting[0]) {
      this.#waiting.shift();
      this.#used += first.bytes;
      first.run();
    }
  }

  /** Ends all waiting with this error. */
  close(error: Error): void {
    this.#closed = error;
    for (const waiting of this.#waiting.splice(0)) {
      waiting.reject(error);
    }
  }

  #fits(bytes: number): boolean {
    return this.#used === 0 || this.#used + bytes <= this.#max;
  }
}
