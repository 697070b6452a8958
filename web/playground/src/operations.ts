// All that the page itself asks the server, beside what stands in the editor. The build writes these texts to a file, which
// the server reads: so they run also where only registered documents do.

const RESULT = `__typename
  ... on SecondFactorRequired { challenge factors expiresIn }
  ... on EnrollmentRequired { enrollment codeMailed expiresIn }
  ... on VerificationRequired { email }`;
const PROVIDER = "id kind name canReauthenticate";
const USER = `id username email fullName role
  identities { id provider { ${PROVIDER} } email lastUsedAt }
  secondFactors { isOn totp { confirmedAt lastUsedAt isLocked } recoveryCodesLeft }
  passkeys { id name credentialId userVerified backupEligible backedUp createdAt lastUsedAt } passkeyUserHandle`;
const STARTED = "authorizationUrl flow";

export const operations = {
  session: `{
    viewer { reason user { ${USER} } }
    myOrganizations(first: 100) { nodes { id name } }
    signInProviders { ${PROVIDER} }
    config { features }
  }`,
  login: `mutation($input: LoginInput!) { login(input: $input) { ${RESULT} } }`,
  register: `mutation($input: RegisterInput!) { register(input: $input) { ${RESULT} } }`,
  completeSignIn: "mutation($input: CompleteSignInInput!) { completeSignIn(input: $input) { tokenType } }",
  reauthenticate: "mutation($proof: Proof!) { reauthenticate(input: { proof: $proof }) { tokenType } }",
  refreshToken:
    "mutation($organizationId: ID) { refreshToken(input: { organizationId: $organizationId }) { accessToken expiresIn } }",
  logout: "mutation { logout { sessionId } }",
  revokeAllSessions: "mutation { revokeAllSessions { endedSessions } }",

  startSignIn: `mutation($input: StartSignInInput!) { startSignIn(input: $input) { ${STARTED} } }`,
  startLink: `mutation($input: StartLinkInput!) { startLink(input: $input) { ${STARTED} } }`,
  startReauthentication:
    `mutation($input: StartReauthenticationInput!) { startReauthentication(input: $input) { ${STARTED} } }`,
  finishSignIn: `mutation($input: FinishSignInInput!) { finishSignIn(input: $input) { ${RESULT} } }`,
  finishLink: "mutation($input: FinishLinkInput!) { finishLink(input: $input) { identity { id } } }",
  finishReauthentication:
    "mutation($input: FinishReauthenticationInput!) { finishReauthentication(input: $input) { tokenType } }",
  unlinkIdentity: "mutation($id: ID!) { unlinkIdentity(input: { id: $id }) { deletedIdentityId } }",

  startTotpEnrollment:
    "mutation($input: StartTotpEnrollmentInput!) { startTotpEnrollment(input: $input) { secret otpauthUrl } }",
  confirmTotpEnrollment:
    "mutation($input: ConfirmTotpEnrollmentInput!) { confirmTotpEnrollment(input: $input) { recoveryCodes } }",
  disableTotp: "mutation { disableTotp { user { id } } }",
  enableSecondFactor: "mutation { enableSecondFactor { recoveryCodes } }",
  disableSecondFactor: "mutation { disableSecondFactor { user { id } } }",
  regenerateRecoveryCodes: "mutation { regenerateRecoveryCodes { recoveryCodes } }",

  startPasskeySignIn: "mutation { startPasskeySignIn { ceremony options expiresIn } }",
  finishPasskeySignIn:
    `mutation($input: FinishPasskeySignInInput!) { finishPasskeySignIn(input: $input) { ${RESULT} } }`,
  startPasskeyProof:
    "mutation($input: StartPasskeyProofInput!) { startPasskeyProof(input: $input) { ceremony options } }",
  startPasskeyRegistration:
    "mutation($input: StartPasskeyRegistrationInput!) { startPasskeyRegistration(input: $input) { ceremony options } }",
  finishPasskeyRegistration: `mutation($input: FinishPasskeyRegistrationInput!) {
    finishPasskeyRegistration(input: $input) { passkey { name } recoveryCodes }
  }`,
  renamePasskey: "mutation($input: RenamePasskeyInput!) { renamePasskey(input: $input) { passkey { id } } }",
  deletePasskey: "mutation($id: ID!) { deletePasskey(input: { id: $id }) { deletedPasskeyId } }",
};

export type Operation = keyof typeof operations;
