// How the page is built: into the folder from which the bridge serves it.

import { defineConfig } from "vite";

export default defineConfig({
  build: {
    outDir: "../rest_bridge/page",
    emptyOutDir: true,
    target: "es2022",
    // The Content-Security-Policy of the page allows no inline script.
    modulePreload: { polyfill: false },
    assetsInlineLimit: 0,
    reportCompressedSize: true,
  },
});
