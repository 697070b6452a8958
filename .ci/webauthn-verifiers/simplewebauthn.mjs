// What @simplewebauthn/server says to each response on standard input: a line with null, or why it refuses.
import { createInterface } from 'node:readline';
import { verifyAuthenticationResponse, verifyRegistrationResponse } from '@simplewebauthn/server';

const bytes = (text) => new Uint8Array(Buffer.from(text, 'base64url'));

function judge({ response, stored, challenge, origins, rpId, userVerification }) {
  const expected = {
    response,
    expectedChallenge: challenge,
    expectedOrigin: origins,
    expectedRPID: rpId,
    requireUserVerification: userVerification === 'required',
  };
  if (!stored) return verifyRegistrationResponse({ ...expected, supportedAlgorithmIDs: [-7, -8, -257] });
  // Finding the credential is the caller's part; it is found by the id that the response names.
  if (response?.id !== stored.id) throw new Error('no such credential');
  const credential = { id: stored.id, publicKey: bytes(stored.publicKey), counter: stored.signCount };
  return verifyAuthenticationResponse({ ...expected, credential });
}

for await (const line of createInterface({ input: process.stdin })) {
  let refused = null;
  try {
    const { verified } = await judge(JSON.parse(line));
    if (!verified) refused = 'not verified';
  } catch (error) {
    refused = String(error.message ?? error) || 'refused';
  }
  console.log(JSON.stringify(refused));
}
