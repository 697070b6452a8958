import { readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { gzipSync } from "node:zlib";
import { defineConfig, type Plugin } from "vite";
import { operations } from "./src/operations";

/** Leaves each text file compressed only: the server sends it as it is. */
function compress(): Plugin {
  return {
    name: "compress",
    apply: "build",
    writeBundle({ dir }) {
      for (const entry of readdirSync(dir!, { recursive: true, withFileTypes: true })) {
        const file = join(entry.parentPath, entry.name);
        if (entry.isFile() && /\.(html|js|css|ttf|svg|md)$/.test(file)) {
          writeFileSync(`${file}.gz`, gzipSync(readFileSync(file), { level: 9 }));
          rmSync(file);
        }
      }
    },
  };
}

/** Writes what the page asks to a file, for the server. */
function tell(): Plugin {
  return {
    name: "tell",
    apply: "build",
    generateBundle() {
      this.emitFile({ type: "asset", fileName: "operations.json", source: JSON.stringify(operations) });
    },
  };
}

export default defineConfig({
  // Relative: the page does not know under which path it is served.
  base: "./",
  plugins: [compress(), tell()],
  // `npm run dev` beside a server: on one origin, as the cookie needs it.
  // As a plain text, each would have the proxy change the Host, and the server refuse the cookie of another origin.
  server: { proxy: { "/graphql": { target: "http://127.0.0.1:8000" }, "/schema.graphql": { target: "http://127.0.0.1:8000" } } },
  build: {
    emptyOutDir: true,
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
    chunkSizeWarningLimit: 4000,
    reportCompressedSize: false,
    license: { fileName: "licenses.md" },
    rolldownOptions: {
      onLog(level, log, handler) {
        if (log.code !== "MODULE_LEVEL_DIRECTIVE") handler(level, log);
      },
    },
  },
});
