// What every client has to do, over this one. See tests/conformance/README.md.

import { readFileSync } from "node:fs";
import { parse } from "yaml";
import { bench } from "./bench.mjs";
import { Scenario } from "./scenario.mjs";
import { Stage } from "./stage.mjs";
import { expectVectors, sendVectors } from "./vectors.mjs";

const [verb, ...args] = process.argv.slice(2);

async function scenarios(file) {
  const stage = new Stage(process.env.TEST_STAGE);
  let failed = 0;
  for (const { scenario, durable, steps } of load(file)) {
    const wanted = process.env.FERRYMQ_SCENARIO;
    if (wanted !== undefined && !scenario.includes(wanted)) {
      continue;
    }
    const url = await stage.tell(durable ? "durable" : "ephemeral");
    const playing = new Scenario(url, stage);
    let error;
    try {
      await playing.play(steps);
    } catch (thrown) {
      error = String(thrown?.stack ?? thrown);
      failed++;
    }
    await playing.end();
    console.log(JSON.stringify({ scenario, ok: error === undefined, ...(error && { error }) }));
  }
  stage.end();
  process.exitCode = failed > 0 ? 1 : 0;
}

function load(file) {
  return parse(readFileSync(file, "utf8"));
}

const verbs = {
  scenarios,
  send: (url, topic, language, file) => sendVectors(url, topic, language, load(file)),
  expect: (url, topic, group, file, ...languages) => expectVectors(url, topic, group, load(file), languages),
  bench,
};

if (verbs[verb] === undefined) {
  console.error(`usage: run ${Object.keys(verbs).join("|")} ...`);
  process.exit(2);
}
await verbs[verb](...args);
