// Builds the TypeScript client, which the page uses, unless it is newer than its sources.

import { execFileSync } from "node:child_process";
import { existsSync, readdirSync, statSync } from "node:fs";
import { fileURLToPath } from "node:url";

const client = fileURLToPath(new URL("../../clients/typescript/", import.meta.url));

if (!existsSync(`${client}node_modules`)) npm("ci");
if (builtAt() < changedAt()) npm("run", "build");

function builtAt() {
  const built = `${client}dist/index.js`;
  return existsSync(built) ? statSync(built).mtimeMs : 0;
}

function changedAt() {
  const sources = readdirSync(`${client}src`).map((name) => `${client}src/${name}`);
  return Math.max(...sources.map((source) => statSync(source).mtimeMs));
}

function npm(...words) {
  // The npm that runs this script, which need not be on the path.
  const [command, first] = process.env.npm_execpath
    ? [process.execPath, [process.env.npm_execpath]]
    : ["npm", []];
  execFileSync(command, [...first, ...words], { cwd: client, stdio: "inherit" });
}
