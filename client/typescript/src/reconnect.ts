/** Tries again, with longer and longer waits. */

import { sleep } from "./async.js";
import type { FerryError } from "./errors.js";
import { isTransient, toFerryError } from "./errors.js";
import type { BackoffSettings } from "./settings.js";

/** The waits between attempts. */
export class Backoff {
  #nextMs: number;
  readonly #settings: BackoffSettings;
  readonly #random: () => number;

  /** @param random From 0 to 1; tests give their own. */
  constructor(settings: BackoffSettings, random: () => number = Math.random) {
    this.#settings = settings;
    this.#random = random;
    this.#nextMs = settings.minMs;
  }

  /** The next wait: twice the one before, a fifth more or less at random. */
  next(): number {
    const wait = this.#nextMs;
    this.#nextMs = Math.min(wait * 2, this.#settings.maxMs);
    return wait * (0.8 + 0.4 * this.#random());
  }

  /** Begins anew: the broker was there. */
  reset(): void {
    this.#nextMs = this.#settings.minMs;
  }
}

/** What `persist` needs to know. */
export interface Attempts {
  backoff: BackoffSettings;
  /** Ends it: the attempt under way sees to that itself, a wait is cut short. */
  signal: AbortSignal;
  /** One try: ends when its stream does. Calls `answered` when the broker has answered. */
  attempt(answered: () => void): Promise<void>;
  /** Between two tries; false: there is no use in another one. */
  again(error: FerryError, waitMs: number): boolean;
}

/**
 * Makes attempts until one ends by itself, another one is of no use, or the signal comes. Throws what cannot be helped by trying
 * again.
 */
export async function persist(attempts: Attempts): Promise<void> {
  const backoff = new Backoff(attempts.backoff);
  for (;;) {
    try {
      return await attempts.attempt(() => backoff.reset());
    } catch (thrown) {
      const error = toFerryError(thrown);
      if (!isTransient(error) || attempts.signal.aborted) {
        throw error;
      }
      const waitMs = Math.max(backoff.next(), error.retryAfterMs ?? 0);
      if (!attempts.again(error, waitMs)) {
        throw error;
      }
      await sleep(waitMs, attempts.signal);
      if (attempts.signal.aborted) {
        throw error;
      }
    }
  }
}
