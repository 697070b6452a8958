// Verifies access tokens of Portcullis in another service: copy this file, but for its end.
import { basename } from 'node:path';
import { createRemoteJWKSet, errors, jwtVerify } from 'jose';

const MINUTE = 60_000;

/** The token is not to be accepted: answer 401. Any other error means no keys: answer 503. */
export class Refused extends Error {}

/** The token is good and not enough: answer 403. */
export class Forbidden extends Error {}

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

/**
 * Whether verified claims have a scope, as in `hasScope(claims, 'users:read')`; answer 403 if not.
 * A token without permissions has no `scope` at all. Only whole scopes count, never a part of one.
 */
export function hasScope(claims, scope) {
  const scopes = typeof claims.scope === 'string' ? claims.scope.split(' ') : [];
  return scope !== '' && scopes.includes(scope);
}

// The command line, to try it with.
async function main() {
  const { ISSUER, AUDIENCE = ISSUER, ALGORITHMS = 'EdDSA' } = process.env;
  const { JWKS_URL = `${ISSUER}/.well-known/jwks.json` } = process.env;
  const [token, scope] = process.argv.slice(2);
  if (!ISSUER || !token) throw new Error('usage: ISSUER=… node verify.mjs TOKEN [SCOPE]');
  const verify = verifier({
    issuer: ISSUER,
    audience: AUDIENCE,
    algorithms: ALGORITHMS.split(','),
    jwksUrl: JWKS_URL,
  });
  const claims = await verify(token);
  if (scope && !hasScope(claims, scope)) throw new Forbidden(`it lacks the scope ${scope}`);
  console.log(JSON.stringify(claims));
}

if (basename(process.argv[1] ?? '') === 'verify.mjs') {
  await main().catch((error) => {
    const [said, code] =
      error instanceof Refused
        ? ['refused', 1]
        : error instanceof Forbidden
          ? ['forbidden', 3]
          : ['cannot verify', 2];
    console.error(`${said}: ${error.message}`);
    process.exitCode = code;
  });
}
