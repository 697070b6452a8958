// Opens the page of examples/clients/apollo, which is installed in FOLDER, in a browser: from an origin that the server at URL
// allows, which is on PORT, and from one that it does not. `node run.mjs FOLDER URL PORT`.

import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer } from 'node:http';
import { join } from 'node:path';
import { build } from 'esbuild';
import { chromium } from 'playwright-core';

const [folder, url, port] = process.argv.slice(2);
const { outputFiles: [{ text }] } = await build({ entryPoints: [join(folder, 'page.mjs')], bundle: true, write: false, format: 'esm' });
const serve = async (at) => {
  const front = createServer((request, response) => {
    const isScript = request.url === '/page.js';
    response.setHeader('content-type', isScript ? 'text/javascript' : 'text/html; charset=utf-8');
    response.end(isScript ? text : '<!doctype html><title>A page</title><body><script type="module" src="/page.js"></script>');
  }).listen(at, '127.0.0.1');
  await once(front, 'listening');
  return `http://127.0.0.1:${front.address().port}/?server=${encodeURIComponent(`${url}/graphql`)}`;
};

const browser = await chromium.launch({ executablePath: process.env.CHROMIUM ?? '/usr/bin/chromium', args: ['--no-sandbox'] });
try {
  const said = async (at, last) => {
    const page = await (await browser.newContext()).newPage();
    await page.goto(await serve(at));
    await page.getByText(last).waitFor({ timeout: 20_000 });
    return page.locator('p').allTextContents();
  };
  assert.deepEqual(await said(Number(port), 'signed out'), [
    'signed in, and the page sees no token and no cookie',
    'listed Ash',
    'renamed, and the cache has Alder',
    'signed out: UNAUTHENTICATED',
  ]);
  // The browser keeps the answer from a page that the server does not name.
  assert.deepEqual(await said(0, 'failed'), ['failed: Failed to fetch']);
} finally {
  await browser.close();
}
process.exit();
