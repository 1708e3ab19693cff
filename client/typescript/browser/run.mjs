// Publishes and subscribes from a page, in a real browser: `node run.mjs BROKER_URL PORT CHROMIUM`. The broker has to know the origin
// http://localhost:PORT, and no other.

import { execFileSync } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { createServer } from "node:http";
import { connect as connectTo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createServer as createTlsServer } from "node:tls";
import { chromium } from "playwright-core";

const [brokerUrl, port, executablePath] = process.argv.slice(2);
const here = new URL("./", import.meta.url);
const PACKAGES = ["ferrymq", "@bufbuild/protobuf", "@connectrpc/connect", "@connectrpc/connect-web"];

/** Where the page finds what the modules import, as a bundler would: each package's own word, for browsers. */
function importMap() {
  const imports = {};
  for (const name of PACKAGES) {
    const { exports } = JSON.parse(readFileSync(new URL(`node_modules/${name}/package.json`, here), "utf8"));
    for (const [path, target] of Object.entries(exports)) {
      const file = target.browser?.default ?? target.import ?? target.default;
      imports[name + path.slice(1)] = `/node_modules/${name}/${file.slice(2)}`;
    }
  }
  return JSON.stringify({ imports });
}

const PAGE = `<!doctype html><title>test</title><script type="importmap">${importMap()}</script>`;

const server = createServer((request, response) => {
  const { pathname } = new URL(request.url, "http://localhost");
  if (pathname === "/") {
    response.setHeader("content-type", "text/html").end(PAGE);
  } else if (/^\/(node_modules\/.*|page)\.m?js$/.test(pathname) && !pathname.includes("..")) {
    response.setHeader("content-type", "text/javascript").end(readFileSync(new URL(`.${pathname}`, here)));
  } else {
    response.writeHead(404).end();
  }
});
await new Promise((resolve) => server.listen(Number(port), resolve));

const browser = await chromium.launch({ executablePath, args: ["--no-sandbox"] });
let failed = 0;
try {
  await playFrom(`http://localhost:${port}`, [
    "admin",
    "publishes",
    "consumes",
    "errors",
    "releases",
    "reads",
    "works",
    "stops",
    "pulls",
  ]);
  await playFrom(`http://127.0.0.1:${port}`, ["isRefused"]);
  const proxy = await tlsProxy(brokerUrl);
  await playFrom(`http://localhost:${port}`, ["goesThrough"], `https://localhost:${proxy.address().port}`);
  proxy.close();
} finally {
  await browser.close();
  server.close();
}
process.exit(failed > 0 ? 1 : 0);

/** What stands in front of a broker for TLS, and lets the browser speak HTTP/2. */
async function tlsProxy(url) {
  const directory = mkdtempSync(join(tmpdir(), "ferrymq-"));
  const request = "req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 -subj /CN=localhost";
  execFileSync("openssl", [...request.split(" "), "-keyout", "key", "-out", "cert"], {
    cwd: directory,
    stdio: "ignore",
  });
  const [key, cert] = ["key", "cert"].map((name) => readFileSync(join(directory, name)));
  rmSync(directory, { recursive: true });
  const { hostname, port } = new URL(url);
  const proxy = createTlsServer({ key, cert, ALPNProtocols: ["h2", "http/1.1"] }, (socket) => {
    const broker = connectTo(Number(port), hostname);
    for (const [from, to] of [
      [socket, broker],
      [broker, socket],
    ]) {
      from.pipe(to);
      from.on("error", () => to.destroy());
      from.on("close", () => to.destroy());
    }
  });
  proxy.on("tlsClientError", () => {});
  proxy.listen(0, "localhost");
  await once(proxy, "listening");
  return proxy;
}

/** Plays these parts of page.mjs in a page of this origin. */
async function playFrom(origin, parts, url = brokerUrl) {
  // The proxy's certificate is of nobody that a browser knows.
  const page = await browser.newPage({ ignoreHTTPSErrors: true });
  page.on("pageerror", (error) => console.error(`in the page: ${error.stack}`));
  await page.goto(origin);
  for (const part of parts) {
    const error = await page.evaluate(play, [part, url]);
    console.log(`${error === undefined ? "ok" : "FAILED"}: ${part}`);
    if (error !== undefined) {
      failed++;
      console.error(error);
    }
  }
  await page.close();
}

/** Runs in the page. What went wrong, if something did. */
async function play([part, url]) {
  const late = new Promise((_, reject) => setTimeout(() => reject(new Error("not within 20 s")), 20_000));
  try {
    const parts = await import("/page.mjs");
    await Promise.race([parts[part](url), late]);
    return undefined;
  } catch (error) {
    return String(error?.stack ?? error);
  }
}
