import { readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { gzipSync } from "node:zlib";
import { defineConfig, type Plugin } from "vite";
import { operations } from "./playground/src/operations";

/** Leaves each text file compressed only: the server sends it as it is. It writes into the pages, so they stay as they are. */
function compress(): Plugin {
  return {
    name: "compress",
    apply: "build",
    writeBundle({ dir }) {
      for (const entry of readdirSync(dir!, { recursive: true, withFileTypes: true })) {
        const file = join(entry.parentPath, entry.name);
        if (entry.isFile() && /\.(js|css|ttf|svg|md)$/.test(file)) {
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

const here = (path: string) => fileURLToPath(new URL(path, import.meta.url));
// As a plain text, each would have the proxy change the Host, and the server refuse the cookie of another origin.
const server = { target: "http://127.0.0.1:8000" };

export default defineConfig({
  // Relative: the pages do not know under which path they are served.
  base: "./",
  plugins: [compress(), tell()],
  resolve: {
    alias: {
      "@portcullis/client/react": here("../clients/js/src/react.ts"),
      "@portcullis/client": here("../clients/js/src/index.ts"),
    },
    // The client stands outside of this folder and takes the React that is here.
    dedupe: ["react", "react-dom"],
  },
  // `npm run dev` beside a server: on one origin, as the cookie needs it.
  server: { proxy: { "/graphql": server, "/schema.graphql": server, "/export": server } },
  build: {
    emptyOutDir: true,
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
    chunkSizeWarningLimit: 4000,
    reportCompressedSize: false,
    license: { fileName: "licenses.md" },
    rolldownOptions: {
      input: { account: here("account/index.html"), playground: here("playground/index.html") },
      onLog(level, log, handler) {
        if (log.code !== "MODULE_LEVEL_DIRECTIVE") handler(level, log);
      },
    },
  },
});
