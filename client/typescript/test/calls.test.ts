import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import * as http2 from "node:http2";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { connectNodeAdapter } from "@connectrpc/connect-node";
import { OperationsService } from "../src/gen/ferrymq/v1/operations_service_pb.js";
import { connect } from "../src/index.js";

const quiet = { log: () => {}, callTimeoutMs: 20_000 };
const directory = mkdtempSync(join(tmpdir(), "ferrymq-"));
after(() => rmSync(directory, { recursive: true }));

/** Answers each watch three times. */
const broker = connectNodeAdapter({
  routes: (router) =>
    router.service(OperationsService, {
      getStats: () => ({ broker: { connections: 1n } }),
      async *watchStats() {
        for (let connections = 1n; connections <= 3n; connections++) {
          yield { broker: { connections } };
        }
      },
    }),
});

async function listening(server: http2.Http2Server | http2.Http2SecureServer): Promise<number> {
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  return (server.address() as AddressInfo).port;
}

/** Certificates for localhost, of an authority of our own. */
function certificates(): { ca: string; cert: string; key: string } {
  const openssl = (...args: string[]) => execFileSync("openssl", args, { cwd: directory, stdio: "ignore" });
  const fresh = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2"];
  openssl("req", "-x509", ...fresh, "-keyout", "ca.key", "-out", "ca.pem", "-subj", "/CN=an authority");
  const host = ["-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost"];
  const signed = ["-CA", "ca.pem", "-CAkey", "ca.key", "-addext", "basicConstraints=CA:FALSE"];
  openssl("req", "-x509", ...fresh, ...signed, ...host, "-keyout", "server.key", "-out", "server.pem");
  const read = (name: string) => readFileSync(join(directory, name), "utf8");
  return { ca: read("ca.pem"), cert: read("server.pem"), key: read("server.key") };
}

test("numbers come again and again until the watch ends, or its loop is left", async () => {
  const server = http2.createServer(broker);
  const client = connect(`http://127.0.0.1:${await listening(server)}`, quiet);
  const seen: number[] = [];
  for await (const { broker } of client.admin.watchStats({ interval: { seconds: 1n } })) {
    seen.push(Number(broker?.connections));
  }
  assert.deepEqual(seen, [1, 2, 3]);
  for await (const { broker } of client.admin.watchStats({})) {
    assert.equal(Number(broker?.connections), 1);
    break;
  }
  await client.close();
  server.close();
});

test("https takes an authority of one's own, and no other", async () => {
  const { ca, cert, key } = certificates();
  const server = http2.createSecureServer({ cert, key }, broker);
  const url = `https://localhost:${await listening(server)}`;
  const client = connect(url, { ...quiet, tls: { ca } });
  const { broker: numbers } = await client.admin.getStats({});
  assert.equal(Number(numbers?.connections), 1);
  await client.close();
  const stranger = connect(url, quiet);
  await assert.rejects(stranger.admin.getStats({}), { code: "UNAVAILABLE", message: /certificate/ });
  await stranger.close();
  server.close();
});

test("https shows the client's own certificate where the server asks for one", async () => {
  const { ca, cert, key } = certificates();
  const server = http2.createSecureServer({ cert, key, ca, requestCert: true }, broker);
  const url = `https://localhost:${await listening(server)}`;
  const client = connect(url, { ...quiet, tls: { ca, cert, key } });
  await client.admin.getStats({});
  await client.close();
  const nobody = connect(url, { ...quiet, tls: { ca } });
  await assert.rejects(nobody.admin.getStats({}), { code: "UNAVAILABLE", message: /certificate/ });
  await nobody.close();
  server.close();
});
