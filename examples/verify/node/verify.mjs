// Verifies access tokens of Portcullis in another service: copy this file, but for its end.
import { basename } from 'node:path';
import { createRemoteJWKSet, errors, jwtVerify } from 'jose';

const MINUTE = 60_000;

/** The token is not to be accepted: answer 401. Any other error means no keys: answer 503. */
export class Refused extends Error {}

/** Errors of the library that say nothing about the token: the JWKS could not be had. */
const NO_KEYS = ['ERR_JOSE_GENERIC', 'ERR_JWKS_INVALID', 'ERR_JWKS_TIMEOUT'];

/**
 * A function from a token to its claims. Make one at start and share it, for it keeps the keys.
 * `algorithms` are those that Portcullis is configured to sign with.
 */
export function verifier({ issuer, audience, algorithms, jwksUrl }) {
  const keys = createRemoteJWKSet(new URL(jwksUrl), {
    // A new key is published 15 minutes before it signs; caches on the way may take 5 of them.
    cacheMaxAge: 10 * MINUTE,
    // Tokens with made-up key ids cause no more fetches than this.
    cooldownDuration: MINUTE,
  });
  const rules = {
    issuer,
    audience,
    algorithms,
    typ: 'at+jwt',
    clockTolerance: 10,
    requiredClaims: ['exp', 'nbf', 'iat', 'sub', 'sid', 'jti', 'client_id'],
  };
  return async function verify(token) {
    try {
      return (await jwtVerify(token, keys, rules)).payload;
    } catch (error) {
      if (error instanceof errors.JOSEError && !NO_KEYS.includes(error.code)) {
        throw new Refused(error.message, { cause: error });
      }
      throw error;
    }
  };
}

// The command line, to try it with.
async function main() {
  const { ISSUER, AUDIENCE = ISSUER, ALGORITHMS = 'EdDSA' } = process.env;
  const { JWKS_URL = `${ISSUER}/.well-known/jwks.json` } = process.env;
  const token = process.argv[2];
  if (!ISSUER || !token) throw new Error('usage: ISSUER=… node verify.mjs TOKEN');
  const verify = verifier({
    issuer: ISSUER,
    audience: AUDIENCE,
    algorithms: ALGORITHMS.split(','),
    jwksUrl: JWKS_URL,
  });
  console.log(JSON.stringify(await verify(token)));
}

if (basename(process.argv[1] ?? '') === 'verify.mjs') {
  await main().catch((error) => {
    const refused = error instanceof Refused;
    console.error(refused ? `refused: ${error.message}` : `cannot verify: ${error.message}`);
    process.exitCode = refused ? 1 : 2;
  });
}
