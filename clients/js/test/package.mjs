// What npm would publish: its size, its types, and what is in it.

import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { gzipSync } from "node:zlib";
import { build } from "esbuild";
import { root, test } from "./support.mjs";

/** The bytes of a program that imports this much of the package, as a browser loads it. */
async function sizeOf(contents) {
  const { outputFiles } = await build({
    stdin: { contents, resolveDir: join(root, "dist") }, bundle: true, minify: true, format: "esm", write: false, external: ["react"], logLevel: "error",
  });
  return gzipSync(outputFiles[0].text, { level: 9 }).length;
}

const CONSUMER = `
import {
  createSession, errorIn, finishProvider, PortcullisError, signIn, tokens, type ErrorCode, type Session, type SessionUser,
} from "@portcullis/client";
import { createServerSession } from "@portcullis/client/server";

const session: Session = createSession();
export const other = createSession<{ id: string; role: "ADMIN" | "USER" }>({ userFields: "id role", mode: tokens() });

export async function example(): Promise<string | null> {
  const result = await signIn(session, { identifier: "alice", password: "secret" });
  if (result.__typename === "SecondFactorRequired") return result.challenge;
  // @ts-expect-error Only a sign-in that waits for a second factor has a challenge.
  if (result.__typename === "AuthPayload") return result.challenge;
  const returned = await finishProvider(session);
  if (returned?.result?.__typename === "VerificationRequired") return returned.result.email;
  const user: SessionUser | null = session.state.user;
  if (session.state.status === "user") return session.state.user.username;
  const role: "ADMIN" | "USER" | undefined = other.state.user?.role;
  return user?.username ?? role ?? null;
}

export function said(error: unknown): ErrorCode | undefined {
  if (error instanceof PortcullisError) {
    // @ts-expect-error There is no such code.
    if (error.code === "NO_SUCH_CODE") return undefined;
    return error.fields[0]?.code === "TAKEN" ? error.code : undefined;
  }
  return errorIn(error)?.code;
}

export const visit = (request: Request) =>
  createServerSession(request, { endpoint: "https://auth.example.com/graphql", origins: ["https://app.example.com"] }).state();
`;
const HOOKS = `
import { createElement } from "react";
import { createSession } from "@portcullis/client";
import { SessionProvider, useCan, useSession, useStepUp } from "@portcullis/client/react";

export function Who() {
  const { user, session } = useSession();
  const { "Mutation.inviteUser": invite } = useCan(["Mutation.inviteUser"]);
  const wanted = useStepUp();
  void session.run(() => session.request("{ me { id } }"));
  return createElement("p", null, user?.username, invite?.allowed, wanted?.factors.join());
}
export const page = createElement(SessionProvider, { session: createSession() }, createElement(Who));
`;

/** What the guides expect of a page. */
const PAGE = `
declare function show(...texts: unknown[]): void;
declare function waitFor(seconds: number): void;
declare function forgetEverything(): void;
declare function askForPassword(): Promise<string>;
declare function askForCode(): Promise<string>;
declare const password: string;
declare const SecureStore: {
  getItemAsync(name: string): Promise<string | null>;
  setItemAsync(name: string, text: string): Promise<void>;
};
`;

/** The blocks of code in a page of the documentation. */
const blocks = (file, language) => {
  const text = readFileSync(join(root, file), "utf8");
  return [...text.matchAll(new RegExp(`^\`\`\`(${language})\\n([^]*?)^\`\`\`$`, "gm"))].map(([, kind, code]) => ({ kind, code }));
};

export async function packageTests() {
  await test("the size is what the README says", async () => {
    const least = 'import { createSession, signIn } from "./index.js"; const session = createSession(); globalThis.enter = () => signIn(session, { identifier: "a", password: "b" });';
    const all = 'export * from "./index.js"; export * from "./react.js";';
    const [password, everything] = [await sizeOf(least), await sizeOf(all)];
    console.log(`# a sign-in with a password ${password} bytes, everything ${everything} bytes`);
    assert.ok(password <= 3 * 1024, `${password} bytes`);
    assert.ok(everything <= 8 * 1000, `${everything} bytes`);
    // Nothing stays of an import that is not used.
    assert.ok((await sizeOf('import "./index.js"; import "./react.js";')) < 40);
  });

  await test("the packed package installs, and compiles in both ways of finding modules", async () => {
    const folder = mkdtempSync(join(tmpdir(), "portcullis-packed-"));
    try {
      const runIn = async (cwd, command, ...args) => (await promisify(execFile)(command, args, { cwd })).stdout;
      const run = (...command) => runIn(folder, ...command);
      const [packed] = JSON.parse(await runIn(root, "npm", "pack", "--json", "--ignore-scripts", `--pack-destination=${folder}`));
      const strange = packed.files.map(({ path }) => path).filter((path) => !/^(dist\/[\w-]+\.(js|d\.ts)|LICENSE-(MIT|APACHE)|README\.md|package\.json)$/.test(path));
      assert.deepEqual(strange, []);
      assert.equal(packed.files.filter(({ path }) => /^LICENSE-/.test(path)).length, 2);
      writeFileSync(join(folder, "package.json"), JSON.stringify({ type: "module", private: true }));
      await run("npm", "install", "--offline", "--ignore-scripts", "--no-audit", "--no-fund", "--omit=peer", `./${packed.filename}`);
      for (const name of ["react", "@types/react", "csstype"]) {
        mkdirSync(join(folder, "node_modules/@types"), { recursive: true });
        symlinkSync(join(root, "node_modules", name), join(folder, "node_modules", name));
      }
      writeFileSync(join(folder, "consumer.ts"), CONSUMER);
      writeFileSync(join(folder, "hooks.ts"), HOOKS);
      writeFileSync(join(folder, "page.d.ts"), PAGE);
      writeFileSync(join(folder, "session.ts"), 'import { createSession } from "@portcullis/client";\nexport const session = createSession();\n');
      const guides = ["README.md", "../../docs/how-to/javascript.md"].flatMap((file) => blocks(file, "tsx?")).map(({ kind, code }, at) => {
        writeFileSync(join(folder, `guide-${at}.${kind}`), code);
        return `guide-${at}.${kind}`;
      });
      assert.ok(guides.length > 8, guides.join());
      const shared = { target: "es2022", lib: ["es2023", "dom", "dom.iterable"], strict: true, noEmit: true, types: [], exactOptionalPropertyTypes: true, jsx: "react-jsx" };
      for (const [name, more, files] of [
        ["bundler", { module: "esnext", moduleResolution: "bundler", skipLibCheck: true }, ["page.d.ts", ...guides]], ["nodenext", { module: "nodenext" }, []],
      ]) {
        const config = join(folder, `tsconfig.${name}.json`);
        writeFileSync(config, JSON.stringify({ compilerOptions: { ...shared, ...more }, files: ["consumer.ts", "hooks.ts", ...files] }));
        try {
          await run(join(root, "node_modules/.bin/tsc"), "-p", config);
        } catch (error) {
          throw new Error(`${name}: ${error.stdout}`);
        }
      }
      const exported = await run(process.execPath, "--input-type=module", "-e",
        'import * as all from "@portcullis/client"; import "@portcullis/client/server"; import "@portcullis/client/react"; console.log(typeof all.createSession)');
      assert.equal(exported.trim(), "function");
    } finally {
      rmSync(folder, { recursive: true, force: true });
    }
  });

  await test("the pages about other clients show what the examples do", async () => {
    for (const [page, example] of [["apollo", "apollo.tsx"], ["urql", "urql.tsx"], ["relay", "relay.tsx"], ["tanstack", "tanstack.tsx"], ["server", "server.mjs"]]) {
      const program = readFileSync(join(root, "examples", example), "utf8");
      const shown = blocks(`../../docs/how-to/javascript/${page}.md`, "tsx|js").flatMap(({ code }) => code.trimEnd().split("\n\n"));
      assert.ok(shown.length > 0, page);
      for (const code of shown) assert.ok(program.includes(code), `${page}: ${code}`);
    }
  });

  await test("what is exported is documented", async () => {
    for (const name of ["errors", "passkeys", "providers", "react", "server", "session", "sign-in", "tokens", "transport"]) {
      const text = readFileSync(join(root, "src", `${name}.ts`), "utf8");
      const bare = [...text.matchAll(/^(.*)\nexport (?:async )?(?:function|const|class|interface|type) (\w+)/gm)]
        .filter(([, before]) => !/\*\/$/.test(before.trimEnd())).map(([, , exported]) => exported);
      const internal = ["LOGOUT", "REFRESH", "enroll", "Answer"];
      assert.deepEqual(bare.filter((exported) => !internal.includes(exported)), [], name);
    }
  });
}
