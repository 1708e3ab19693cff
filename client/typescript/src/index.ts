/** FerryMQ for Node.js: gRPC over HTTP/2. */

import { createRequire } from "node:module";
import { createGrpcTransport } from "@connectrpc/connect-node";
import { Client } from "./client.js";
import { streamLink as consumeLink } from "./consume/links.js";
import { Session } from "./node/session.js";
import { streamLink as publishLink } from "./publish/links.js";
import type { ClientOptions } from "./settings.js";
import { settingsOf } from "./settings.js";
import type { TraceApi } from "./trace.js";

export * from "./api.js";

const DEFAULT_URL = "http://127.0.0.1:7171";

/**
 * A client of the broker at `url`, else at `FERRYMQ_URL`, else at http://127.0.0.1:7171. `http://` is plain text, `https://` is TLS with the
 * certificates that Node.js trusts, or those of `tls`. It does not wait for the broker: the first call does. Throws a TypeError for a URL that is none.
 */
export function connect(url?: string, options: ClientOptions = {}): Client {
  const { origin } = new URL(url ?? process.env.FERRYMQ_URL ?? DEFAULT_URL);
  const opentelemetry = options.opentelemetry ?? installedTracing();
  const settings = settingsOf(opentelemetry === undefined ? options : { ...options, opentelemetry });
  const session = new Session(origin, settings);
  const transport = createGrpcTransport({
    baseUrl: origin,
    sessionManager: session,
    acceptCompression: [],
    readMaxBytes: settings.maxResponseBytes + (64 << 10),
  });
  const platform = {
    transport,
    publishLink: publishLink(transport),
    consumeLink: consumeLink(transport, settings.callTimeoutMs),
    close: () => session.close(),
  };
  return new Client(platform, settings);
}

/** `@opentelemetry/api`, if the program has it. */
function installedTracing(): TraceApi | undefined {
  try {
    return createRequire(import.meta.url)("@opentelemetry/api") as TraceApi;
  } catch {
    return undefined;
  }
}
