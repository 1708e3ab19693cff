/** One HTTP/2 connection to the broker, made when it is needed and again when it was lost. */

import * as http2 from "node:http2";
import { Code, ConnectError } from "@connectrpc/connect";
import type { Settings } from "../settings.js";

/** Most bytes on their way to one stream, and to all of them together, that were not read yet. */
const STREAM_WINDOW_BYTES = 4 << 20;
const CONNECTION_WINDOW_BYTES = 64 << 20;
/** More than the windows, so that these are what limits. */
const SESSION_MEMORY_MB = 512;

/** Gives streams out, for the stubs. */
export class Session {
  /** The broker's origin. */
  readonly authority: string;
  readonly #settings: Settings;
  #connection: Promise<http2.ClientHttp2Session> | undefined;
  #streams = new Map<http2.ClientHttp2Session, Set<http2.ClientHttp2Stream>>();
  #isClosed = false;

  constructor(authority: string, settings: Settings) {
    this.authority = authority;
    this.#settings = settings;
  }

  /** Opens a stream; for that a connection, if there is none. */
  async request(
    method: string,
    path: string,
    headers: http2.OutgoingHttpHeaders,
    options: http2.ClientSessionRequestOptions,
  ): Promise<http2.ClientHttp2Stream> {
    const session = await this.#connect();
    const all = { ...headers, "user-agent": USER_AGENT, ":method": method, ":path": path };
    const stream = session.request(all, options);
    this.#follow(session, stream);
    return stream;
  }

  /** Pings say whether the connection lives: bytes that were read need not be counted. */
  notifyResponseByteRead(): void {}

  /** Ends the connection, and with it what is still open on it. */
  async close(): Promise<void> {
    this.#isClosed = true;
    const session = await this.#connection?.catch(() => undefined);
    if (session !== undefined) {
      lose(session, this.#streams.get(session), "the client is closed");
    }
  }

  #connect(): Promise<http2.ClientHttp2Session> {
    if (this.#isClosed) {
      return Promise.reject(new ConnectError("the client is closed", Code.Unavailable));
    }
    if (this.#connection === undefined) {
      const connection = this.#open();
      this.#connection = connection;
      connection.catch(() => this.#forget(connection));
    }
    return this.#connection;
  }

  #forget(connection: Promise<http2.ClientHttp2Session>): void {
    if (this.#connection === connection) {
      this.#connection = undefined;
    }
  }

  #open(): Promise<http2.ClientHttp2Session> {
    const session = http2.connect(this.authority, {
      settings: { enablePush: false, initialWindowSize: STREAM_WINDOW_BYTES },
      maxSessionMemory: SESSION_MEMORY_MB,
      ...this.#settings.tls,
    });
    const streams = new Set<http2.ClientHttp2Stream>();
    this.#streams.set(session, streams);
    const connection = new Promise<http2.ClientHttp2Session>((resolve, reject) => {
      let why = "the connection was closed";
      const end = () => {
        clearTimeout(timer);
        this.#forget(connection);
        this.#streams.delete(session);
        lose(session, streams, why);
        reject(new ConnectError(why, Code.Unavailable));
      };
      const fail = (error: Error) => {
        why = error.message || String((error as NodeJS.ErrnoException).code ?? error);
      };
      const timer = setTimeout(() => {
        fail(new Error(`no connection within ${this.#settings.connectTimeoutMs} ms`));
        end();
      }, this.#settings.connectTimeoutMs);
      session.once("connect", (_, socket) => {
        // Of a server that refuses the client's certificate only the socket tells.
        socket.once("error", (error) => {
          fail(error);
          end();
          socket.destroy();
        });
      });
      // It is there once it has spoken: a socket alone may be one that nobody serves.
      session.once("remoteSettings", () => {
        clearTimeout(timer);
        session.setLocalWindowSize(CONNECTION_WINDOW_BYTES);
        // A program that waits for nothing may end: streams keep it alive, an idle connection does not.
        session.unref();
        this.#keepAlive(session, streams);
        resolve(session);
      });
      session.on("error", fail);
      // No new streams on it; those there are end by themselves.
      session.on("goaway", () => this.#forget(connection));
      session.once("close", end);
    });
    return connection;
  }

  #follow(session: http2.ClientHttp2Session, stream: http2.ClientHttp2Stream): void {
    const streams = this.#streams.get(session);
    streams?.add(stream);
    session.ref();
    // A reset by the other side, or by a connection that ends, is told as an error that says so.
    stream.once("close", () => {
      streams?.delete(stream);
      if (streams?.size === 0 && !session.destroyed) {
        session.unref();
      }
    });
  }

  #keepAlive(session: http2.ClientHttp2Session, streams: Set<http2.ClientHttp2Stream>): void {
    const timer = setInterval(() => {
      if (streams.size === 0) {
        return;
      }
      const late = setTimeout(
        () => lose(session, streams, `no answer to a ping within ${this.#settings.keepaliveTimeoutMs} ms`),
        this.#settings.keepaliveTimeoutMs,
      );
      session.ping(() => clearTimeout(late));
    }, this.#settings.keepaliveMs);
    timer.unref();
    session.once("close", () => clearInterval(timer));
  }
}

/** Ends a connection: whoever has a stream on it is told why. */
function lose(session: http2.ClientHttp2Session, streams: Set<http2.ClientHttp2Stream> | undefined, why: string): void {
  for (const stream of streams ?? []) {
    stream.destroy(new ConnectError(why, Code.Unavailable));
  }
  session.destroy();
}

const USER_AGENT = "ferrymq-typescript/0.1.0";
