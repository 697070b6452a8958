// One organization: its members and invitations, and what the user may do there.

import { Button, ButtonLink, Card, Dialog, Empty, Failure, Form, icons, navigate, Select, Skeleton, Submit, TextField, Time } from "@portcullis/ui";
import { useState } from "react";
import { Ask } from "./factors";
import { Heading } from "./frame";
import type { OrganizationRole } from "./organizations";
import { useSaved } from "./saved";
import { session, useLoaded, useMe, type Loaded } from "./session";
import { words } from "./words";

interface Member { id: string; role: OrganizationRole; createdAt: string; user: { id: string; username: string; fullName: string | null } }
interface Invitation { id: string; email: string; role: OrganizationRole; expiresAt: string }
interface Invited { organization: { invitations: { nodes: Invitation[] } } | null }
interface Page<Node> { nodes: Node[]; totalCount: number; pageInfo: { hasNextPage: boolean; endCursor: string | null } }
interface Shown {
  organization: {
    id: string; name: string; myRole: OrganizationRole | null; createdAt: string; members: Page<Member>;
    viewerCan: { field: string; allowed: boolean; code: string | null }[];
  } | null;
}

const ACTS = ["updateOrganization", "inviteMember", "setMemberRole", "removeMember", "transferOwnership", "leaveOrganization", "deleteOrganization"] as const;
const SHOWN = `query($id:ID!,$fields:[String!]!,$after:String){organization(id:$id){id name myRole createdAt
members(first:50,after:$after){totalCount pageInfo{hasNextPage endCursor} nodes{id role createdAt user{id username fullName}}} viewerCan(fields:$fields){field allowed code}}}`;
const INVITATIONS = "query($id:ID!){organization(id:$id){invitations(first:50){nodes{id email role expiresAt}}}}";
const RENAME = "mutation($input:UpdateOrganizationInput!){updateOrganization(input:$input){organization{id}}}";
const INVITE = "mutation($input:InviteMemberInput!){inviteMember(input:$input){invitation{id}}}";
const REVOKE = "mutation($input:RevokeInvitationInput!){revokeInvitation(input:$input){deletedInvitationId}}";
const SET_ROLE = "mutation($input:SetMemberRoleInput!){setMemberRole(input:$input){membership{id}}}";
const REMOVE = "mutation($input:RemoveMemberInput!){removeMember(input:$input){deletedMembershipId}}";
const TRANSFER = "mutation($input:TransferOwnershipInput!){transferOwnership(input:$input){organization{id}}}";
const LEAVE = "mutation($input:LeaveOrganizationInput!){leaveOrganization(input:$input){organizationId}}";
const DELETE = "mutation($input:DeleteOrganizationInput!){deleteOrganization(input:$input){deletedOrganizationId}}";

const run = (document: string, input: object) => session.run(() => session.request(document, { input }));
const nameOf = ({ user }: Member) => user.fullName || user.username;

/** The roles that somebody with a role gives and takes. */
const below = (role: OrganizationRole | null): OrganizationRole[] => (role === "OWNER" ? ["MEMBER", "ADMIN", "OWNER"] : ["MEMBER", "ADMIN"]);

export function Organization({ id }: { id: string }) {
  const [cursors, setCursors] = useState<(string | null)[]>([null]);
  const variables = { id, fields: ACTS.map((name) => `Mutation.${name}`), after: cursors.at(-1) };
  const { data, failure, reload } = useLoaded<Shown>(SHOWN, variables);
  const viewerCan = data?.organization?.viewerCan ?? [];
  const can = (act: typeof ACTS[number]) => viewerCan.some(({ field, allowed, code }) => field === `Mutation.${act}` && (allowed || code === "STEP_UP_REQUIRED"));
  const invitations = useLoaded<Invited>(can("inviteMember") ? INVITATIONS : null, { id });
  const me = useMe();
  const { tell, saved } = useSaved();
  const [asking, ask] = useState<"leave" | "delete" | "rename" | null>(null);
  const [chosen, choose] = useState<{ member: Member; act: "role" | "remove" | "transfer" } | null>(null);
  if (failure != null) return <><Heading>{words.organization}</Heading><Failure failure={failure} /><div><Button onClick={reload}>{words.tryAgain}</Button></div></>;
  if (!data) return <><Heading>{words.organization}</Heading><Card><Skeleton lines={5} /></Card></>;
  const { organization } = data;
  if (!organization) {
    return <><Heading>{words.noSuchOrganization}</Heading><p>{words.noSuchOrganizationWhy}</p><div><ButtonLink main to="/account/organizations">{words.sections.organizations}</ButtonLink></div></>;
  }
  const { name, myRole, members } = organization;
  const isWithin = (role: OrganizationRole) => role !== "OWNER" || myRole === "OWNER";
  const done = async (said?: string) => {
    choose(null);
    ask(null);
    await reload();
    if (said) tell(said);
  };
  return (
    <>
      <div className="between">
        <Heading>{name}</Heading>
        {can("updateOrganization") && <Button small onClick={() => ask("rename")}>{words.rename}</Button>}
      </div>
      {saved}
      <Card title={words.members(members.totalCount)}>
        <ul className="list">
          {members.nodes.map((member) => {
            const isMe = member.user.id === me.id;
            return (
              <li key={member.id}>
                <div className="what with-icon"><icons.Person /><div>
                  <p><strong>{nameOf(member)}</strong> <span className="badge">{words.roles[member.role]}</span> {isMe && <span className="badge badge-good">{words.you}</span>}</p>
                  <p className="small quiet">{member.user.fullName && `${member.user.username} · `}{words.joinedAt} <Time at={member.createdAt} /></p>
                </div></div>
                <div className="acts">
                  {can("setMemberRole") && isWithin(member.role) && <Button small onClick={() => choose({ member, act: "role" })} aria-label={words.roleOf(nameOf(member))}>{words.role}</Button>}
                  {!isMe && can("transferOwnership") && member.role !== "OWNER" && <Button small onClick={() => choose({ member, act: "transfer" })} aria-label={words.transferTo(nameOf(member))}>{words.transfer}</Button>}
                  {!isMe && can("removeMember") && isWithin(member.role) && <Button small danger onClick={() => choose({ member, act: "remove" })} aria-label={words.removeNamed(nameOf(member))}>{words.remove}</Button>}
                </div>
              </li>
            );
          })}
        </ul>
        {(cursors.length > 1 || members.pageInfo.hasNextPage) && (
          <div className="row">
            {cursors.length > 1 && <Button small onClick={() => setCursors(cursors.slice(0, -1))}>{words.previous}</Button>}
            {members.pageInfo.hasNextPage && <Button small onClick={() => setCursors([...cursors, members.pageInfo.endCursor])}>{words.nextPage}</Button>}
          </div>
        )}
      </Card>
      {can("inviteMember") && <Invitations id={id} roles={below(myRole)} tell={tell} invitations={invitations} />}
      {/* Nothing stands below what is still to come. */}
      {(!can("inviteMember") || invitations.data || invitations.failure) && (can("leaveOrganization") || can("deleteOrganization")) && (
        <Card title={words.endMembership} danger>
          <div className="row">
            {can("leaveOrganization") && <Button danger onClick={() => ask("leave")}>{words.leave}</Button>}
            {can("deleteOrganization") && <Button danger onClick={() => ask("delete")}>{words.deleteOrganization}</Button>}
          </div>
        </Card>
      )}
      {asking === "rename" && (
        <Dialog title={words.rename} close={() => ask(null)}>
          <Form submit={async ({ name }) => {
            await run(RENAME, { id, name });
            await done(words.saved);
          }}>
            <TextField name="name" label={words.organizationName} defaultValue={name} maxLength={100} autoFocus />
            <div className="row"><Submit>{words.save}</Submit><Button quiet onClick={() => ask(null)}>{words.cancel}</Button></div>
          </Form>
        </Dialog>
      )}
      {(asking === "leave" || asking === "delete") && (
        <Ask title={asking === "leave" ? words.leave : words.deleteOrganization} why={asking === "leave" ? words.leaveWhy(name) : words.deleteOrganizationWhy(name)} close={() => ask(null)}
          act={async () => {
            await run(asking === "leave" ? LEAVE : DELETE, { id });
            navigate("/account/organizations");
          }} />
      )}
      {chosen?.act === "role" && (
        <Dialog title={words.roleOf(nameOf(chosen.member))} close={() => choose(null)}>
          <Form submit={async ({ role }) => {
            await run(SET_ROLE, { organizationId: id, userId: chosen.member.user.id, role });
            await done(words.saved);
          }}>
            <RoleSelect roles={below(myRole)} chosen={chosen.member.role} />
            <div className="row"><Submit>{words.save}</Submit><Button quiet onClick={() => choose(null)}>{words.cancel}</Button></div>
          </Form>
        </Dialog>
      )}
      {chosen && chosen.act !== "role" && (
        <Ask title={chosen.act === "remove" ? words.remove : words.transfer} close={() => choose(null)}
          why={chosen.act === "remove" ? words.removeWhy(nameOf(chosen.member)) : words.transferWhy(nameOf(chosen.member))}
          act={async () => {
            await run(chosen.act === "remove" ? REMOVE : TRANSFER, { organizationId: id, userId: chosen.member.user.id });
            await done(words.saved);
          }} />
      )}
    </>
  );
}

const RoleSelect = ({ roles, chosen = "MEMBER" }: { roles: OrganizationRole[]; chosen?: OrganizationRole }) => (
  <Select name="role" label={words.role} hint={words.rolesWhat} defaultValue={chosen}>
    {roles.map((role) => <option key={role} value={role}>{words.roles[role]}</option>)}
  </Select>
);

function Invitations({ id, roles, tell, invitations: { data, failure, reload } }: { id: string; roles: OrganizationRole[]; tell: (said: string | null) => void; invitations: Loaded<Invited> }) {
  const [revoking, revoke] = useState<Invitation | null>(null);
  const [count, setCount] = useState(0);
  const pending = data?.organization?.invitations.nodes ?? [];
  return (
    <Card title={words.invite} about={words.inviteHow}>
      <div className="stack">
        <Form key={count} submit={async ({ email, role }) => {
          tell(null);
          await run(INVITE, { organizationId: id, email, role });
          setCount(count + 1);
          await reload();
          tell(words.invitedNow(email!));
        }}>
          <TextField name="email" type="email" label={words.email} autoComplete="off" />
          <RoleSelect roles={roles} />
          <div className="row"><Submit>{words.sendInvitation}</Submit></div>
        </Form>
        <h3>{words.pendingInvitations}</h3>
        {failure != null ? <Failure failure={failure} /> : !data ? <Skeleton lines={2} /> : pending.length === 0 ? <Empty><p>{words.noInvitations}</p></Empty> : (
          <ul className="list">
            {pending.map((invitation) => (
              <li key={invitation.id}>
                <div className="what with-icon"><icons.Mail /><div>
                  <p><strong>{invitation.email}</strong> <span className="badge">{words.roles[invitation.role]}</span></p>
                  <p className="small quiet">{words.expires} <Time at={invitation.expiresAt} /></p>
                </div></div>
                <Button small danger onClick={() => revoke(invitation)} aria-label={words.revokeNamed(invitation.email)}>{words.revoke}</Button>
              </li>
            ))}
          </ul>
        )}
      </div>
      {revoking && (
        <Ask title={words.revoke} why={words.revokeWhy(revoking.email)} close={() => revoke(null)} act={async () => {
          await run(REVOKE, { id: revoking.id });
          await reload();
        }} />
      )}
    </Card>
  );
}
