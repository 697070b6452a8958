// Accounts and what is theirs, so that there is something to ask for.
import { readFileSync, readdirSync } from 'node:fs';
import { join } from 'node:path';

const SESSION = '... on AuthPayload { accessToken user { id } }';
const PASSWORD = 'correct horse battery';

export async function prepare(post, folder) {
  const call = async (query, token) => {
    const answer = await post({ query }, token);
    if (answer.errors) {
      throw new Error(`${query}: ${JSON.stringify(answer.errors)}`);
    }
    return answer.data;
  };
  const register = async (name) => (await call(`mutation { register(input: { username: "${name}", email: "${name}@example.com",
    password: "${PASSWORD}" }) { ${SESSION} } }`)).register;
  const [alice, bob] = [await register('alice'), await register('bob')];
  const { login: boss } = await call(`mutation { login(input: { identifier: "boss", password: "a long passphrase" }) { ${SESSION} } }`);
  const made = await call('mutation { createOrganization(input: { name: "Acme" }) { organization { id } } }', alice.accessToken);
  const organization = made.createOrganization.organization.id;
  const { inviteMember } = await call(`mutation { inviteMember(input: { organizationId: "${organization}", email: "bob@example.com", role: MEMBER }) { invitation { id } } }`, alice.accessToken);
  await call(`mutation { acceptInvitation(input: { token: "${await link(folder)}" }) { organization { id } } }`, bob.accessToken);
  const { guest } = await call(`mutation { guest: inviteMember(input: { organizationId: "${organization}", email: "eve@example.com", role: MEMBER }) { invitation { id } } }`, alice.accessToken);
  const tasks = [];
  const write = async (token) => {
    const { createTask } = await call('mutation { createTask(input: { title: "Something" }) { task { id } } }', token);
    tasks.push(createTask.task.id);
  };
  await write(alice.accessToken);
  const { switchOrganization } = await call(`mutation { switchOrganization(input: { id: "${organization}" }) { accessToken } }`, alice.accessToken);
  const member = switchOrganization.accessToken;
  await write(member);
  await write(member);
  await write(bob.accessToken);
  await write(boss.accessToken);
  const page = await call(`{ me { sessions { edges { cursor node { id } } } securityEvents { edges { cursor node { id } } } }
    myTasks { edges { cursor } } activeOrganization { members { edges { cursor node { id } } } } }`, member);
  const lists = [page.me.sessions, page.me.securityEvents, page.myTasks, page.activeOrganization.members].map((it) => it.edges);
  const ids = [alice.user.id, organization, ...tasks, bob.user.id, boss.user.id, inviteMember.invitation.id, guest.invitation.id];
  return {
    organization,
    tokens: { nobody: undefined, stranger: 'nonsense', user: member, another: bob.accessToken, admin: boss.accessToken },
    ids: [...ids, ...lists.flatMap((edges) => edges.slice(0, 2).map((edge) => edge.node?.id).filter(Boolean))],
    cursors: lists.flatMap((edges) => edges.slice(0, 2).map((edge) => edge.cursor)),
  };
}

/** What the link of an invitation carries, once its mail is there. */
async function link(folder) {
  for (let tries = 0; tries < 100; tries += 1) {
    const mails = readdirSync(folder, { recursive: true }).filter((name) => name.endsWith('organization-invitation.eml'));
    // Lines of a mail end in "=" where only its transport needs an end.
    const tokens = mails.map((name) => readFileSync(join(folder, name), 'utf8').replaceAll('=\r\n', '').match(/pco_[\w-]+/));
    if (tokens.some(Boolean)) {
      return tokens.find(Boolean)[0];
    }
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
  throw new Error('no invitation was mailed');
}
