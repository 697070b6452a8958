"""gql with requests: documents are checked against the server's own schema before they are sent."""

import os
import secrets

from gql import Client, gql
from gql.transport.exceptions import TransportQueryError
from gql.transport.requests import RequestsHTTPTransport

transport = RequestsHTTPTransport(
    url=os.environ.get("PORTCULLIS_URL", "http://127.0.0.1:8000/graphql"), headers={}
)
client = Client(transport=transport, fetch_schema_from_transport=True)
username = f"user-{secrets.token_hex(6)}"
password = secrets.token_hex(16)


def call(document, **variables):
    request = gql(document)
    request.variable_values = variables
    return client.execute(request)


def refused(document, **variables):
    """The first error that the server answers."""
    try:
        call(document, **variables)
    except TransportQueryError as error:
        return error.errors[0]["extensions"]
    raise AssertionError("the server refuses this")


call(
    "mutation Register($input: RegisterInput!) { register(input: $input) { __typename } }",
    input={"username": username, "email": f"{username}@example.com", "password": password},
)
LOGIN = """
    mutation Login($input: LoginInput!) {
      login(input: $input) { ... on AuthPayload { accessToken user { username } } }
    }
"""
login = call(LOGIN, input={"identifier": username, "password": password})["login"]
assert login["user"]["username"] == username
transport.headers["authorization"] = f"Bearer {login['accessToken']}"
print("signed in")

CREATE = """
    mutation Create($name: String!) {
      createOrganization(input: { name: $name }) { organization { id } }
    }
"""
ids = [
    call(CREATE, name=name)["createOrganization"]["organization"]["id"]
    for name in ["Ash", "Birch", "Cedar"]
]
PAGE = """
    query Organizations($after: String) {
      myOrganizations(first: 2, after: $after) {
        nodes { name }
        pageInfo { hasNextPage endCursor }
      }
    }
"""
pages = []
info = {"endCursor": None, "hasNextPage": True}
while info["hasNextPage"]:
    page = call(PAGE, after=info["endCursor"])["myOrganizations"]
    pages.append([node["name"] for node in page["nodes"]])
    info = page["pageInfo"]
assert pages == [["Ash", "Birch"], ["Cedar"]]
print("listed three organizations in two pages")

RENAME = """
    mutation Rename($input: UpdateOrganizationInput!) {
      updateOrganization(input: $input) { organization { name } }
    }
"""
renamed = call(RENAME, input={"id": ids[0], "name": "Alder"})
assert renamed["updateOrganization"]["organization"]["name"] == "Alder"
print("renamed an organization")

error = refused(CREATE, name="")
assert error["code"] == "BAD_USER_INPUT"
field = error["fields"][0]
assert (field["path"], field["code"]) == ("input.name", "TOO_SHORT")
print(f"refused a name: {field['message']}")

STEP_UP = """
    mutation StepUp($password: String!) {
      reauthenticate(input: { proof: { password: $password } }) { accessToken }
    }
"""


def proven(document, **variables):
    """Sends a mutation, and sends it again with a recent proof if the server asks for one."""
    try:
        return call(document, **variables)
    except TransportQueryError as error:
        extensions = error.errors[0]["extensions"]
        # An application asks its user for one of the factors here.
        if extensions["code"] != "STEP_UP_REQUIRED" or "PASSWORD" not in extensions["factors"]:
            raise
    access_token = call(STEP_UP, password=password)["reauthenticate"]["accessToken"]
    transport.headers["authorization"] = f"Bearer {access_token}"
    print("proved the password again")
    return call(document, **variables)


DELETE = """
    mutation Delete($id: ID!) {
      deleteOrganization(input: { id: $id }) { deletedOrganizationId }
    }
"""
deleted = proven(DELETE, id=ids[1])
assert deleted["deleteOrganization"]["deletedOrganizationId"] == ids[1]
print("deleted an organization")

call("mutation SignOut { logout { sessionId } }")
error = refused("query Me { me { username } }")
assert (error["code"], error["reason"]) == ("UNAUTHENTICATED", "SESSION_ENDED")
print("signed out")
