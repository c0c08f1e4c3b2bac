// Bots as their authors run them: the Python client in a process of its own, and what the page says to paste.

import { execFile, spawn } from "node:child_process";
import { once } from "node:events";
import { createInterface } from "node:readline";
import { promisify } from "node:util";

import {
  pythonCommand,
  serviceEnvironment,
  tradingBot,
} from "../../tests/clients/node/support/environment.js";

/** Start a bot in Python; it ends with `stop`, and with this process at the latest. */
export function startPythonBot(service, key) {
  const child = spawn(pythonCommand, [tradingBot, key, service.grpc], {
    env: serviceEnvironment,
    stdio: ["pipe", "pipe", "inherit"],
  });
  const answers = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
  return {
    /** Place `BUY AAPL 10`, or `BUY AAPL 10 0.01` with a limit; return its status and reason. */
    async place(order) {
      child.stdin.write(`${order}\n`);
      const { value } = await answers.next();
      return JSON.parse(value);
    },
    async stop() {
      const ended = once(child, "exit");
      child.stdin.end();
      await ended;
    },
  };
}

/** Run a program in Python; return what it prints. */
export async function runPython(program) {
  const run = { env: serviceEnvironment, timeout: 60_000 };
  return (await promisify(execFile)(pythonCommand, ["-c", program], run)).stdout;
}

/** Run a command of a shell; return what it prints. */
export async function runShell(command) {
  return (await promisify(execFile)("sh", ["-c", command], { timeout: 60_000 })).stdout;
}
