"""What PyPI's webauthn says to each response on standard input: a line with null, or why it refuses."""

import base64
import json
import sys

from webauthn import verify_authentication_response, verify_registration_response
from webauthn.helpers.cose import COSEAlgorithmIdentifier


def decoded(text):
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


def judge(case):
    expected = {
        "credential": case["response"],
        "expected_challenge": decoded(case["challenge"]),
        "expected_rp_id": case["rpId"],
        "expected_origin": case["origins"],
        "require_user_verification": case["userVerification"] == "required",
    }
    stored = case["stored"]
    if stored is None:
        algorithms = [COSEAlgorithmIdentifier(number) for number in (-7, -8, -257)]
        verify_registration_response(**expected, supported_pub_key_algs=algorithms)
        return
    # Finding the credential is the caller's part; it is found by the id that the response names.
    if not isinstance(case["response"], dict) or case["response"].get("id") != stored["id"]:
        raise ValueError("no such credential")
    verify_authentication_response(
        **expected,
        credential_public_key=decoded(stored["publicKey"]),
        credential_current_sign_count=stored["signCount"],
    )


for line in sys.stdin:
    refused = None
    try:
        judge(json.loads(line))
    except Exception as error:
        refused = str(error) or type(error).__name__
    print(json.dumps(refused))
