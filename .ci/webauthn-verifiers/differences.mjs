// Where this server refuses what other verifiers accept. Each stands in docs/reference/webauthn.md under its name, with its reason.
// S is @simplewebauthn/server, W is webauthn and F is fido2, both of PyPI. One that no response shows any more, or another
// verifier than those named here, is a failure. A single change must be one that is listed; several can meet in many ways.

/** Changes of any bytes, which can lead to each refusal. */
const ANY = ['any bit', 'any byte', 'a byte more', 'a byte missing', 'cut off anywhere', 'any bit of the authenticator data',
  'authenticator data that are cut off'];
const malformed = (what) => `the response is malformed: ${what}`;
const MEMBERS = ['clientDataJSON', 'attestationObject', 'authenticatorData', 'signature', 'id', 'userHandle'];

const differences = [
  {
    name: 'Embedded pages',
    verifiers: 'SWF',
    refused: ['the page was embedded in a page of another origin'],
    changes: ['crossOrigin', 'topOrigin', 'topOrigin and crossOrigin'],
  },
  {
    name: 'Members of client data of other kinds',
    verifiers: 'SWF',
    refused: [malformed('clientDataJSON.crossOrigin is not a boolean')],
    changes: ['crossOrigin of another kind'],
  },
  {
    name: 'Token binding',
    verifiers: 'SWF',
    refused: [malformed('clientDataJSON.tokenBinding is not supported')],
    changes: ['token binding present', 'token binding of another kind'],
  },
  {
    name: 'JSON that readers read differently',
    verifiers: 'SWF',
    refused: [malformed('clientDataJSON is not a JSON object'), malformed('clientDataJSON is not UTF-8')],
    changes: ['a byte order mark', 'a member twice, the wrong one first', 'a member twice, the wrong one last',
      'an unknown member twice', 'a number beyond all', 'a number that is none', 'half a surrogate', 'nested deeply',
      'a byte that is not UTF-8'],
  },
  {
    name: 'The challenge in another encoding',
    verifiers: 'WF',
    refused: ['the challenge does not belong to this ceremony'],
    changes: ['the challenge in another encoding'],
  },
  {
    name: 'Other forms of base64url',
    verifiers: 'SWF',
    refused: [...MEMBERS.map(malformed), malformed('rawId differs from id')],
    changes: ['padding', 'much padding', 'the other alphabet', 'whitespace in base64url', 'stray characters in base64url',
      'padding in the ids', 'padding in rawId', 'stray bits in the ids', 'the other alphabet in the ids',
      'whitespace in the ids', 'a user handle of another kind'],
  },
  {
    name: 'Other forms of CBOR',
    verifiers: 'SWF',
    refused: [malformed('attestationObject is not a canonical CBOR map'), malformed('the public key is not canonical CBOR'),
      malformed('the outputs of extensions are not a canonical CBOR map')],
    changes: ['a long count of members', 'a member of the object twice', 'an object of open length', 'bytes behind the object',
      'a long label', 'a member of the key twice', 'a key of open length', 'extensions encoded wrongly'],
  },
  {
    name: 'Attestation objects with members of other kinds',
    verifiers: 'SWF',
    refused: [malformed('attestationObject.attStmt is not a map'), malformed('attestationObject.fmt is not text')],
    changes: ['a member of the object missing', 'a member of the object of another kind', 'a statement that is no map'],
  },
  {
    name: 'Attestations',
    verifiers: 'SWF',
    refused: ['the attestation is neither empty nor a valid self attestation'],
    changes: ['an attestation by another key', 'an attestation by its own key, of another algorithm',
      'an attestation with a certificate that is none', 'attestation of another format', 'format none with a statement',
      'format none with an unknown statement', 'a member of the object of another kind'],
  },
  {
    name: 'Invalid keys',
    verifiers: 'SWF',
    refused: ['the public key is not valid', malformed('the public key is too long')],
    changes: ['a curve by its name', 'a member more in the key', 'a member of the key missing', 'a modulus of another length',
      'a point of small order', 'an algorithm that is no number', 'an even number', 'an exponent of 3', 'another algorithm',
      'another curve', 'another kind of key', 'any bit of its numbers', 'no numbers', 'numbers of ones', 'numbers of zeros',
      'numbers that are too short', 'numbers with a zero before', 'the sign of y instead of y', 'labels as text'],
  },
  {
    name: 'Algorithms',
    verifiers: 'F',
    refused: ['the algorithm of the public key is not allowed'],
    changes: ['another algorithm'],
  },
  {
    name: 'Ids that differ',
    verifiers: 'SWF',
    refused: ['the response belongs to another credential'],
    changes: ['another id in the authenticator data', 'both ids are others'],
  },
  {
    name: 'Ids that are too long, or empty',
    verifiers: 'SWF',
    refused: [malformed('id'), malformed('id is missing'),
      malformed('the id of the credential is empty or has more than 1023 bytes')],
    changes: ['an id that is too long', 'no id in the authenticator data', 'a member of the JSON missing'],
  },
  {
    name: 'Lengths',
    verifiers: 'SWF',
    refused: ['clientDataJSON', 'signature', 'userHandle'].map(malformed),
    changes: ['an unknown member that is long', 'a signature that is too long', 'a user handle that is too long'],
  },
  {
    name: 'Members of the JSON of other kinds',
    verifiers: 'SWF',
    refused: [...['userHandle', 'transports', 'credProps', 'credProps.rk', 'type is not "public-key"',
      'authenticatorAttachment has an unknown value', 'clientExtensionResults is not an object'].map(malformed)],
    changes: ['a user handle of another kind', 'transports of another kind', 'credProps of another kind',
      'an unknown attachment', 'outputs of extensions of another kind', 'another type of credential',
      'a member of another kind', 'a member of the JSON missing'],
  },
  {
    name: 'Credentials in assertions',
    verifiers: 'SWF',
    refused: [malformed('the authenticator data contain a credential')],
    changes: ['a credential in an assertion'],
  },
  {
    name: 'Backups',
    verifiers: 'SWF',
    refused: ['the backup flags are inconsistent'],
    changes: ['eligible for backups by now', 'stored as eligible for backups', 'backed up, not eligible'],
  },
  {
    name: 'Counters',
    verifiers: 'F',
    refused: ['the signature counter did not rise'],
    changes: ['a higher counter is stored', 'any counter'],
  },
  {
    name: 'Other forms of ECDSA signatures',
    verifiers: 'S',
    refused: ['the signature is not valid'],
    changes: ['a long length in DER', 'a zero more in DER', 'bytes behind the signature', 'any bit of the signature'],
  },
];

export const DIFFERENCES = differences.map((difference) => ({ ...difference, changes: new Set([...difference.changes, ...ANY]) }));
