/**
 * @generated SignedSource<<41f0f80c386f934279f3c31556b62b9a>>
 * @lightSyntaxTransform
 */

/* tslint:disable */
/* eslint-disable */
// @ts-nocheck

import { ConcreteRequest } from 'relay-runtime';
export type relayDeleteMutation$variables = {
  id: string;
};
export type relayDeleteMutation$data = {
  readonly deleteOrganization: {
    readonly deletedOrganizationId: string;
  } | null | undefined;
};
export type relayDeleteMutation = {
  response: relayDeleteMutation$data;
  variables: relayDeleteMutation$variables;
};

const node: ConcreteRequest = (function(){
var v0 = [
  {
    "defaultValue": null,
    "kind": "LocalArgument",
    "name": "id"
  }
],
v1 = [
  {
    "alias": null,
    "args": [
      {
        "fields": [
          {
            "kind": "Variable",
            "name": "id",
            "variableName": "id"
          }
        ],
        "kind": "ObjectValue",
        "name": "input"
      }
    ],
    "concreteType": "DeleteOrganizationPayload",
    "kind": "LinkedField",
    "name": "deleteOrganization",
    "plural": false,
    "selections": [
      {
        "alias": null,
        "args": null,
        "kind": "ScalarField",
        "name": "deletedOrganizationId",
        "storageKey": null
      }
    ],
    "storageKey": null
  }
];
return {
  "fragment": {
    "argumentDefinitions": (v0/*:: as any*/),
    "kind": "Fragment",
    "metadata": null,
    "name": "relayDeleteMutation",
    "selections": (v1/*:: as any*/),
    "type": "Mutation",
    "abstractKey": null
  },
  "kind": "Request",
  "operation": {
    "argumentDefinitions": (v0/*:: as any*/),
    "kind": "Operation",
    "name": "relayDeleteMutation",
    "selections": (v1/*:: as any*/)
  },
  "params": {
    "cacheID": "bee7a18df7d88d114b3a94f76cf9c86b",
    "id": null,
    "metadata": {},
    "name": "relayDeleteMutation",
    "operationKind": "mutation",
    "text": "mutation relayDeleteMutation(\n  $id: ID!\n) {\n  deleteOrganization(input: {id: $id}) {\n    deletedOrganizationId\n  }\n}\n"
  }
};
})();

(node as any).hash = "a6fdfe233f544f1d6bd3eaa621ead9af";

export default node;
