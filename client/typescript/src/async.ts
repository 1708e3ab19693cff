/** Small pieces to wait with. */

/** A promise that is settled from outside. */
export interface Deferred<T> {
  readonly promise: Promise<T>;
  resolve(value: T): void;
  reject(reason: unknown): void;
}

/** Makes one. Nobody has to look at it: a rejection that nobody waits for is no crash. */
export function deferred<T>(): Deferred<T> {
  let resolve: (value: T) => void = () => {};
  let reject: (reason: unknown) => void = () => {};
  const promise = new Promise<T>((res, rej) => {
    resolve = res;
    reject = rej;
  });
  promise.catch(() => {});
  return { promise, resolve, reject };
}

/** Wakes whoever waits. A wake-up that comes while nobody waits is kept for the next one. */
export class Signal {
  #waiting: (() => void) | undefined;
  #woken = false;

  /** Waits for a wake-up. One waits at a time. */
  wait(): Promise<void> {
    if (this.#woken) {
      this.#woken = false;
      return Promise.resolve();
    }
    return new Promise((resolve) => {
      this.#waiting = resolve;
    });
  }

  /** Wakes the one that waits, or the next one. */
  wake(): void {
    const waiting = this.#waiting;
    this.#waiting = undefined;
    this.#woken = waiting === undefined;
    waiting?.();
  }
}

/** Lets everything else that is ready go first. */
export function turn(): Promise<void> {
  return new Promise((resolve) => {
    // Browsers have none.
    if (typeof setImmediate === "function") {
      setImmediate(resolve);
    } else {
      setTimeout(resolve, 0);
    }
  });
}

/** Waits `ms`, or until `signal` is aborted. */
export function sleep(ms: number, signal: AbortSignal): Promise<void> {
  if (signal.aborted) {
    return Promise.resolve();
  }
  return new Promise((resolve) => {
    const done = () => {
      clearTimeout(timer);
      signal.removeEventListener("abort", done);
      resolve();
    };
    const timer = setTimeout(done, ms);
    signal.addEventListener("abort", done);
  });
}

/** Waits for `promise`, at most `ms`. True if it came, however it ended. */
export async function within(promise: Promise<unknown>, ms: number): Promise<boolean> {
  const stop = new AbortController();
  const came = promise.then(
    () => true,
    () => true,
  );
  try {
    return await Promise.race([came, sleep(ms, stop.signal).then(() => false)]);
  } finally {
    stop.abort();
  }
}

/** Waits for `work`, or until `signal` is aborted: then throws `reason()`, whatever becomes of the work. */
export function unlessAborted<T>(work: Promise<T>, signal: AbortSignal, reason: () => Error): Promise<T> {
  return new Promise((resolve, reject) => {
    const abort = () => reject(reason());
    if (signal.aborted) {
      abort();
    }
    signal.addEventListener("abort", abort);
    work.then(resolve, reject).finally(() => signal.removeEventListener("abort", abort));
  });
}
