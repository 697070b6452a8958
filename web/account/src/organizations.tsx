// The organizations of the user, and who has invited them.

import { Button, ButtonLink, Card, Dialog, Empty, Failure, Form, icons, Link, navigate, Notice, Skeleton, Submit, TextField, Time } from "@portcullis/ui";
import { useState } from "react";
import { Heading } from "./frame";
import { session, useLoaded, useMe } from "./session";
import { words } from "./words";

export type OrganizationRole = "MEMBER" | "ADMIN" | "OWNER";
interface Mine {
  myOrganizations: { nodes: { id: string; name: string; myRole: OrganizationRole }[] };
  myInvitations: { nodes: { id: string; organizationName: string; role: OrganizationRole; expiresAt: string }[] };
}
// A user has at most 100 organizations.
const MINE = "{myOrganizations(first:100){nodes{id name myRole}} myInvitations(first:20){nodes{id organizationName role expiresAt}}}";
const CREATE = "mutation($input:CreateOrganizationInput!){createOrganization(input:$input){organization{id}}}";

export function Organizations() {
  const { data, failure, reload } = useLoaded<Mine>(MINE);
  const { emailVerified } = useMe();
  const [isCreating, create] = useState(false);
  const invitations = data?.myInvitations.nodes ?? [];
  return (
    <>
      <Heading>{words.sections.organizations}</Heading>
      {failure != null && <><Failure failure={failure} /><div><Button onClick={reload}>{words.tryAgain}</Button></div></>}
      {invitations.length > 0 && (
        <Card title={words.myInvitations} about={words.myInvitationsHow}>
          <ul className="list">
            {invitations.map(({ id, organizationName, role, expiresAt }) => (
              <li key={id}>
                <div className="what with-icon"><icons.Mail /><div>
                  <p><strong>{organizationName}</strong> <span className="badge">{words.roles[role]}</span></p>
                  <p className="small quiet">{words.expires} <Time at={expiresAt} /></p>
                </div></div>
              </li>
            ))}
          </ul>
        </Card>
      )}
      {!failure && <Card>
        <div className="stack">
          {!data ? <Skeleton lines={4} /> : data.myOrganizations.nodes.length === 0 ? <Empty><p>{words.noOrganizations}</p></Empty> : (
            <ul className="list">
              {data.myOrganizations.nodes.map(({ id, name, myRole }) => (
                <li key={id}>
                  <div className="what with-icon"><icons.People /><div>
                    <p><Link to={`/account/organizations/${id}`}><strong>{name}</strong></Link></p>
                    <p className="small quiet">{words.youHave(words.roles[myRole])}</p>
                  </div></div>
                  <ButtonLink small to={`/account/organizations/${id}`} aria-label={words.openNamed(name)}>{words.open}</ButtonLink>
                </li>
              ))}
            </ul>
          )}
          {data && <div><Button main onClick={() => create(true)}>{words.createOrganization}</Button></div>}
        </div>
      </Card>}
      {data && !emailVerified && <Notice><p>{words.invitationsNeedAddress}</p></Notice>}
      {isCreating && (
        <Dialog title={words.createOrganization} about={words.createOrganizationWhy} close={() => create(false)}>
          <Form submit={async ({ name }) => {
            const { createOrganization } = await session.request(CREATE, { input: { name } });
            navigate(`/account/organizations/${createOrganization.organization.id}`);
          }}>
            <TextField name="name" label={words.organizationName} maxLength={100} autoComplete="organization" autoFocus />
            <div className="row"><Submit>{words.create}</Submit><Button quiet onClick={() => create(false)}>{words.cancel}</Button></div>
          </Form>
        </Dialog>
      )}
    </>
  );
}
