"""Verifies access tokens of Portcullis in another service: copy this file, but for its end."""

import json
import os
import sys

import jwt

LEEWAY_SECONDS = 10
REQUIRED_CLAIMS = ["exp", "nbf", "iat", "sub", "sid", "jti", "client_id"]


class Refused(Exception):
    """The token is not to be accepted: answer 401. Any other error means no keys: answer 503."""


class Forbidden(Exception):
    """The token is good and not enough: answer 403."""


class Verifier:
    """Verifies tokens of one issuer for one audience.

    Make one at start and share it, for it keeps the keys. `algorithms` are those that Portcullis
    is configured to sign with.
    """

    def __init__(self, issuer: str, audience: str, algorithms: list[str], jwks_url: str):
        self.rules = {
            "issuer": issuer,
            "audience": audience,
            "algorithms": algorithms,
            "leeway": LEEWAY_SECONDS,
            "options": {"require": REQUIRED_CLAIMS},
        }
        # A new key is published 15 minutes before it signs; caches on the way may take 5 of them.
        # Tokens with made-up key ids cause no more than a fetch a minute.
        self.keys = jwt.PyJWKClient(jwks_url, lifespan=600, cooldown_duration=60, timeout=5)

    def verify(self, token: str) -> dict:
        """Returns the claims of a token that is good in every respect."""
        try:
            header = jwt.get_unverified_header(token)
            # The library leaves this one to us.
            if str(header.get("typ")).lower().removeprefix("application/") != "at+jwt":
                raise Refused("it is not an access token")
            key = self.keys.get_signing_key(header.get("kid"))
            return jwt.decode(token, key, **self.rules)
        except jwt.PyJWKClientConnectionError:
            raise
        except jwt.PyJWTError as error:
            raise Refused(str(error)) from error


def has_scope(claims: dict, scope: str) -> bool:
    """Whether verified claims have a scope, as in `has_scope(claims, "users:read")`.

    A token without permissions has no `scope` at all. Only whole scopes count, never a part of one.
    """
    scopes = claims.get("scope")
    return isinstance(scopes, str) and scope in scopes.split()


def main() -> None:
    """The command line, to try it with."""
    issuer = os.environ.get("ISSUER")
    if not issuer or len(sys.argv) not in (2, 3):
        raise ValueError("usage: ISSUER=… python verify.py TOKEN [SCOPE]")
    verifier = Verifier(
        issuer=issuer,
        audience=os.environ.get("AUDIENCE", issuer),
        algorithms=os.environ.get("ALGORITHMS", "EdDSA").split(","),
        jwks_url=os.environ.get("JWKS_URL", f"{issuer}/.well-known/jwks.json"),
    )
    claims = verifier.verify(sys.argv[1])
    for scope in sys.argv[2:]:
        if not has_scope(claims, scope):
            raise Forbidden(f"it lacks the scope {scope}")
    print(json.dumps(claims))


if __name__ == "__main__":
    try:
        main()
    except Refused as error:
        print(f"refused: {error}", file=sys.stderr)
        sys.exit(1)
    except Forbidden as error:
        print(f"forbidden: {error}", file=sys.stderr)
        sys.exit(3)
    except Exception as error:
        print(f"cannot verify: {error}", file=sys.stderr)
        sys.exit(2)
