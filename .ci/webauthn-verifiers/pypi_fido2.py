"""What PyPI's fido2 says to each response on standard input: a line with null, or why it refuses."""

import base64
import json
import sys

from fido2.cose import CoseKey
from fido2.server import Fido2Server
from fido2.webauthn import AttestedCredentialData, PublicKeyCredentialRpEntity
from fido2 import cbor


def decoded(text):
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


def judge(case):
    entity = PublicKeyCredentialRpEntity(id=case["rpId"], name="Example")
    server = Fido2Server(entity, verify_origin=lambda origin: origin in case["origins"])
    state = {"challenge": case["challenge"], "user_verification": case["userVerification"]}
    stored = case["stored"]
    if stored is None:
        server.register_complete(state, case["response"])
        return
    key = CoseKey.parse(cbor.decode(decoded(stored["publicKey"])))
    known = AttestedCredentialData.create(b"\0" * 16, decoded(stored["id"]), key)
    server.authenticate_complete(state, [known], case["response"])


for line in sys.stdin:
    refused = None
    try:
        judge(json.loads(line))
    except Exception as error:
        refused = str(error) or type(error).__name__
    print(json.dumps(refused))
