/** FerryMQ for browsers: gRPC-Web over fetch. The broker takes it from the origins that its setting `web_origins` names. */

import { createGrpcWebTransport } from "@connectrpc/connect-web";
import { Client } from "./client.js";
import { callLink as consumeLink } from "./consume/calls.js";
import { callLink as publishLink } from "./publish/links.js";
import type { ClientOptions } from "./settings.js";
import { settingsOf } from "./settings.js";

export * from "./api.js";

/** A client of the broker at `url`. It does not wait for the broker: the first call does. Throws a TypeError for a URL that is none. */
export function connect(url: string, options: ClientOptions = {}): Client {
  const { origin } = new URL(url);
  const settings = settingsOf(options);
  const transport = createGrpcWebTransport({ baseUrl: origin });
  const platform = {
    transport,
    publishLink: publishLink(transport, settings.callTimeoutMs),
    consumeLink: consumeLink(transport, settings.callTimeoutMs),
    close: () => Promise.resolve(),
  };
  return new Client(platform, settings);
}
