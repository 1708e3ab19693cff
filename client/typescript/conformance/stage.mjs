import { spawn } from "node:child_process";
import { createInterface } from "node:readline";

/** The program that starts, kills and cuts off brokers. */
export class Stage {
  #process;
  #lines;

  constructor(program) {
    this.#process = spawn(program, { stdio: ["pipe", "pipe", "inherit"] });
    this.#lines = createInterface({ input: this.#process.stdout })[Symbol.asyncIterator]();
  }

  /** Tells it what to do; what it answers behind `ok`. */
  async tell(line) {
    this.#process.stdin.write(`${line}\n`);
    const { value = "nothing" } = await this.#lines.next();
    if (!value.startsWith("ok")) {
      throw new Error(`the stage says ${value}`);
    }
    return value.slice(3);
  }

  end() {
    this.#process.stdin.end();
  }
}
