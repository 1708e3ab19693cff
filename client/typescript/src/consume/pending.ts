import { Signal, turn } from "../async.js";
import type { Delivery } from "../delivery.js";
import type { FerryError } from "../errors.js";
import { unavailable } from "../errors.js";
import type { Settled, SettleOptions, SettleStatusName } from "../settle.js";
import { GROUP_MAX, SettleGroup } from "../settle.js";
import type { Settlements } from "./links.js";

/** Most groups in one request. */
const REQUEST_GROUPS_MAX = 64;

/** Settlements that were not sent yet, or not answered: the latter are sent again when the connection breaks. */
export class Pending {
  #toSend: SettleGroup[] = [];
  #sent = new Map<number, SettleGroup>();
  #lastId = 0;
  #news = new Signal();
  #connection = 0;
  readonly #closing = new AbortController();
  #ended: FerryError | undefined;

  /** True if all is answered. */
  get isEmpty(): boolean {
    return this.#toSend.length === 0 && this.#sent.size === 0;
  }

  /** Takes a settlement; acks that come together are sent together. */
  add(delivery: Delivery, options: SettleOptions): Settled {
    if (delivery.ackId.length === 0) {
      return answered(delivery, options, ["OK"]);
    }
    if (this.#ended !== undefined || this.#closing.signal.aborted) {
      return answered(delivery, options, this.#ended ?? unavailable("the subscriber is closed"));
    }
    const last = this.#toSend.at(-1);
    if (last?.takes(options)) {
      return last.add(delivery);
    }
    const group = this.#newGroup(options);
    this.#news.wake();
    return group.add(delivery);
  }

  /** Gives deliveries back, to be delivered again at once. */
  release(deliveries: Delivery[]): void {
    for (let i = 0; i < deliveries.length; i += GROUP_MAX) {
      const group = this.#newGroup({ action: "release" });
      for (const delivery of deliveries.slice(i, i + GROUP_MAX)) {
        group.add(delivery);
      }
    }
  }

  /** A connection begins: all that is not answered is sent on it, in order. */
  connect(): Settlements {
    const connection = ++this.#connection;
    this.#toSend = [...this.#sent.values(), ...this.#toSend];
    this.#sent.clear();
    return { next: () => this.#next(connection), closing: this.#closing.signal };
  }

  /** The connection has ended; nothing more is sent on it. */
  disconnect(): void {
    this.#connection++;
    this.#news.wake();
  }

  /** The broker has answered; the group that it is about. */
  settled(id: number, outcome: SettleStatusName[] | FerryError): SettleGroup | undefined {
    const group = this.#sent.get(id);
    this.#sent.delete(id);
    group?.end(outcome);
    return group;
  }

  /** Takes no more; what there is goes out, then the stream ends. */
  close(): void {
    this.#closing.abort();
    this.#news.wake();
  }

  /** Nothing is answered any more. */
  end(error: FerryError): void {
    this.#ended = error;
    for (const group of [...this.#sent.values(), ...this.#toSend]) {
      group.end(error);
    }
    this.#sent.clear();
    this.#toSend = [];
    this.disconnect();
  }

  async #next(connection: number): Promise<SettleGroup[] | undefined> {
    while (connection === this.#connection) {
      if (this.#toSend.length > 0) {
        const groups = this.#toSend.splice(0, REQUEST_GROUPS_MAX);
        for (const group of groups) {
          this.#sent.set(group.id, group);
        }
        return groups;
      }
      if (this.#closing.signal.aborted) {
        return undefined;
      }
      await this.#news.wait();
      // A program settles one by one what came together: it goes back together.
      await turn();
    }
    return undefined;
  }

  #newGroup(options: SettleOptions): SettleGroup {
    const group = new SettleGroup(++this.#lastId, options);
    this.#toSend.push(group);
    return group;
  }
}

function answered(delivery: Delivery, options: SettleOptions, outcome: SettleStatusName[] | FerryError): Settled {
  const group = new SettleGroup(0, options);
  group.end(outcome);
  return group.add(delivery);
}
