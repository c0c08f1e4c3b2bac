// A real browser, without a window: Debian's Chromium, and gone when the tests end.

import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { chromium } from 'playwright-core';

import { browserEnvironment, chromiumCommand } from './environment.js';

const WAIT_DEADLINE_MS = 20_000;

// What needs a screen or the right to make sandboxes, and what would call home.
const ARGUMENTS = [
  '--headless',
  '--no-sandbox',
  '--disable-gpu',
  '--disable-quic',
  '--no-first-run',
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-sync',
];

/**
 * Start the browser; return it with `newPage`, a page that shares nothing, and `close`.
 *
 * `hosts`: what names it resolves to which addresses, as `--host-resolver-rules` writes it.
 */
export async function startBrowser({ hosts } = {}) {
  // Beside its profile a browser writes caches and crash reports to the home directory.
  const directory = mkdtempSync(join(tmpdir(), 'bottrading-browser-'));
  const removeDirectory = () => rmSync(directory, { recursive: true, force: true, maxRetries: 3 });
  process.once('exit', removeDirectory);
  const browser = await chromium.launch({
    executablePath: chromiumCommand,
    args: hosts ? [...ARGUMENTS, `--host-resolver-rules=${hosts}`] : ARGUMENTS,
    env: browserEnvironment(directory),
  });
  return {
    async newPage(options) {
      const context = await browser.newContext(options);
      context.setDefaultTimeout(WAIT_DEADLINE_MS);
      return context.newPage();
    },
    async close() {
      await browser.close();
      removeDirectory();
    },
  };
}
