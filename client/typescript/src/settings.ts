/** Settings and their defaults: the same in every FerryMQ client. Times are milliseconds, sizes bytes. */

import type { TraceApi } from "./trace.js";

/** Waits between attempts to connect: the first, doubled up to the last, each a fifth more or less at random. */
export interface BackoffSettings {
  /** The first wait. Default 100 ms. */
  minMs: number;
  /** The longest. Default 10 s. */
  maxMs: number;
}

/** TLS of an https URL. Texts are PEM; all are optional. Browsers keep their own. */
export interface TlsSettings {
  /** Certificates of the authorities that are trusted. Default: those of Node.js, and of the file that `NODE_EXTRA_CA_CERTS` names. */
  ca?: string;
  /** The certificate of the client, with those up to its authority, for a proxy that asks for one. Needs `key`. */
  cert?: string;
  /** The key of `cert`. */
  key?: string;
}

/** Settings of a client. All are optional. */
export interface ClientOptions {
  /** Deadline of calls that are not streams. Default 30,000. */
  callTimeoutMs?: number;
  /** How long one attempt to connect may take. Default 5,000. Browsers keep their own. */
  connectTimeoutMs?: number;
  /** Waits between attempts. Default 100 ms, doubled up to 10 s. */
  reconnectBackoff?: Partial<BackoffSettings>;
  /** A quiet connection is asked so often whether it is alive. Default 30,000. Browsers keep their own. */
  keepaliveMs?: number;
  /** A connection that does not answer so long is lost. Default 20,000. Browsers keep their own. */
  keepaliveTimeoutMs?: number;
  /** The largest response that is taken. Default 64 MiB. */
  maxResponseBytes?: number;
  /** What an https URL trusts, and what it shows. Default: what Node.js trusts, and nothing. */
  tls?: TlsSettings;
  /** Takes each line of log: one for a reconnect, a lost lease, a refused batch that nobody waits for. Default: `console.warn`. */
  log?: (line: string) => void;
  /** `@opentelemetry/api`, to carry trace context. Default: that package if it is installed; in browsers none. */
  opentelemetry?: TraceApi;
}

/** Settings of a publisher. All are optional. */
export interface PublisherOptions {
  /** How long a message may wait for others of its batch. Default 0: a batch is what came while the one before was being sent. */
  lingerMs?: number;
  /** Most messages in one batch. Default 1,000. */
  batchMessages?: number;
  /** Most bytes in one batch; a larger message goes alone. Default 256 KiB. */
  batchBytes?: number;
  /** Most bytes buffered and on their way; above, `publish` waits. One message always passes. Default 16 MiB. */
  unconfirmedBytes?: number;
  /** How long a message is tried for over reconnects. Default 60,000. */
  publishTimeoutMs?: number;
  /** Refuse a batch of which some message matches no queue. Default false. */
  requireRoute?: boolean;
  /** How long the broker waits for room in a full queue. Default: without end, as long as `publishTimeoutMs` lets it. */
  waitForRoomMs?: number;
}

/** Settings in force. */
export type Settings = Required<Omit<ClientOptions, "reconnectBackoff" | "opentelemetry">> & {
  reconnectBackoff: BackoffSettings;
  opentelemetry: TraceApi | undefined;
};

/** Fills in the defaults. */
export function settingsOf(options: ClientOptions): Settings {
  return {
    callTimeoutMs: options.callTimeoutMs ?? 30_000,
    connectTimeoutMs: options.connectTimeoutMs ?? 5_000,
    reconnectBackoff: { minMs: 100, maxMs: 10_000, ...options.reconnectBackoff },
    keepaliveMs: options.keepaliveMs ?? 30_000,
    keepaliveTimeoutMs: options.keepaliveTimeoutMs ?? 20_000,
    maxResponseBytes: options.maxResponseBytes ?? 64 << 20,
    tls: options.tls ?? {},
    log: options.log ?? ((line) => console.warn(`ferrymq: ${line}`)),
    opentelemetry: options.opentelemetry,
  };
}

/** Settings of a publisher in force. */
export type PublisherSettings = Required<Omit<PublisherOptions, "waitForRoomMs">> & {
  waitForRoomMs: number | undefined;
};

/** Fills in the defaults. */
export function publisherSettingsOf(options: PublisherOptions): PublisherSettings {
  return {
    lingerMs: options.lingerMs ?? 0,
    batchMessages: options.batchMessages ?? 1_000,
    batchBytes: options.batchBytes ?? 256 << 10,
    unconfirmedBytes: options.unconfirmedBytes ?? 16 << 20,
    publishTimeoutMs: options.publishTimeoutMs ?? 60_000,
    requireRoute: options.requireRoute ?? false,
    waitForRoomMs: options.waitForRoomMs,
  };
}
