// The built files: small, and complete in themselves.

import assert from "node:assert/strict";
import { readdirSync, readFileSync } from "node:fs";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { gzipSync } from "node:zlib";

const BYTES_MAX = 120_000;

const folder = fileURLToPath(new URL("../../rest_bridge/page/", import.meta.url));
const files = readdirSync(folder, { recursive: true, withFileTypes: true })
  .filter((entry) => entry.isFile())
  .map(({ parentPath, path, name }) => `${parentPath ?? path}/${name}`);

test("all files together are under 120 kB gzipped", () => {
  const bytes = files.reduce((sum, file) => sum + gzipSync(readFileSync(file)).length, 0);

  assert.ok(files.length >= 3);
  assert.ok(bytes < BYTES_MAX, `${bytes} bytes`);
});

test("the index has no inline script or style, and names no other server", () => {
  const index = readFileSync(`${folder}index.html`, "utf8");

  assert.doesNotMatch(index, /<script(?![^>]*\ssrc=)|<style|\sstyle=|\son\w+=/);
  assert.doesNotMatch(index, /(src|href)="(https?:)?\/\//);
});
