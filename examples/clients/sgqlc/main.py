"""sgqlc: operations and answers are objects of the types that sgqlc-codegen has made from the schema."""

import os
import secrets
from datetime import timezone

from sgqlc.endpoint.http import HTTPEndpoint
from sgqlc.operation import Operation

import portcullis

url = os.environ.get("PORTCULLIS_URL", "http://127.0.0.1:8000/graphql")
endpoint = HTTPEndpoint(url)
username = f"user-{secrets.token_hex(6)}"
password = secrets.token_hex(16)


def send(operation):
    """The answer in types. sgqlc raises only what left no data, and a field that is refused is null."""
    return operation + endpoint(operation)


def call(operation):
    answer = send(operation)
    assert answer.__errors__ is None, answer.__errors__
    return answer


def refused(operation):
    """The first error that the server answers."""
    return send(operation).__errors__[0]["extensions"]


def authorize(payload):
    endpoint.base_headers["Authorization"] = f"Bearer {payload.access_token}"


register = Operation(portcullis.Mutation)
register.register(
    input=portcullis.RegisterInput(
        username=username, email=f"{username}@example.com", password=password
    )
).__typename__()
call(register)

login = Operation(portcullis.Mutation)
payload = login.login(input=portcullis.LoginInput(identifier=username, password=password))
payload.__as__(portcullis.AuthPayload).access_token()
payload.__as__(portcullis.AuthPayload).user().username()
signed_in = call(login).login
assert signed_in.user.username == username
authorize(signed_in)
print("signed in")


def create(name):
    operation = Operation(portcullis.Mutation)
    operation.create_organization(input={"name": name}).organization().__fields__(
        "id", "created_at"
    )
    return operation


organizations = [
    call(create(name)).create_organization.organization for name in ["Ash", "Birch", "Cedar"]
]
assert organizations[0].created_at.tzinfo == timezone.utc


def page(after):
    operation = Operation(portcullis.Query)
    organizations = operation.my_organizations(first=2, after=after)
    organizations.nodes().name()
    organizations.page_info().__fields__("has_next_page", "end_cursor")
    return call(operation).my_organizations


first = page(None)
second = page(first.page_info.end_cursor)
pages = [[node.name for node in each.nodes] for each in [first, second]]
assert pages == [["Ash", "Birch"], ["Cedar"]]
assert not second.page_info.has_next_page
print("listed three organizations in two pages")

rename = Operation(portcullis.Mutation)
rename.update_organization(
    input=portcullis.UpdateOrganizationInput(id=organizations[0].id, name="Alder")
).organization().name()
assert call(rename).update_organization.organization.name == "Alder"
print("renamed an organization")

error = refused(create(""))
assert error["code"] == "BAD_USER_INPUT"
field = error["fields"][0]
assert (field["path"], field["code"]) == ("input.name", "TOO_SHORT")
print(f"refused a name: {field['message']}")


def proven(operation):
    """Sends a mutation, and sends it again with a recent proof if the server asks for one."""
    answer = send(operation)
    if answer.__errors__ is None:
        return answer
    extensions = answer.__errors__[0]["extensions"]
    assert extensions["code"] == "STEP_UP_REQUIRED", answer.__errors__
    # An application asks its user for one of the factors here.
    assert "PASSWORD" in extensions["factors"]
    step_up = Operation(portcullis.Mutation)
    step_up.reauthenticate(input={"proof": {"password": password}}).access_token()
    authorize(call(step_up).reauthenticate)
    print("proved the password again")
    return call(operation)


delete = Operation(portcullis.Mutation)
delete.delete_organization(input={"id": organizations[1].id}).deleted_organization_id()
assert proven(delete).delete_organization.deleted_organization_id == organizations[1].id
print("deleted an organization")

sign_out = Operation(portcullis.Mutation)
sign_out.logout().session_id()
call(sign_out)
me = Operation(portcullis.Query)
me.me().username()
error = refused(me)
assert (error["code"], error["reason"]) == ("UNAUTHENTICATED", "SESSION_ENDED")
print("signed out")
