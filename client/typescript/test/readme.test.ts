import assert from "node:assert/strict";
import { readdirSync, readFileSync } from "node:fs";
import { test } from "node:test";

const root = new URL("../../", import.meta.url);
const blocks = [...readFileSync(new URL("README.md", root), "utf8").matchAll(/^```ts (\S+)\n(.*?)^```$/gms)];

test("every example is in the README as it is, and every block of it is an example", () => {
  const files = readdirSync(new URL("examples/", root)).map((file) => `examples/${file}`);
  assert.deepEqual(blocks.map(([, path]) => path).sort(), files.sort());
  for (const [, path, text] of blocks) {
    assert.equal(text, readFileSync(new URL(path as string, root), "utf8"), path);
  }
});
