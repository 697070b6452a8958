/**
 * @generated SignedSource<<1e37d337f936a602ebe1ba069dc5e57e>>
 * @lightSyntaxTransform
 */

/* tslint:disable */
/* eslint-disable */
// @ts-nocheck

import { ConcreteRequest } from 'relay-runtime';
export type relayListQuery$variables = Record<PropertyKey, never>;
export type relayListQuery$data = {
  readonly myOrganizations: {
    readonly nodes: ReadonlyArray<{
      readonly id: string;
      readonly name: string;
    }>;
  } | null | undefined;
};
export type relayListQuery = {
  response: relayListQuery$data;
  variables: relayListQuery$variables;
};

const node: ConcreteRequest = (function(){
var v0 = [
  {
    "alias": null,
    "args": [
      {
        "kind": "Literal",
        "name": "first",
        "value": 50
      }
    ],
    "concreteType": "OrganizationConnection",
    "kind": "LinkedField",
    "name": "myOrganizations",
    "plural": false,
    "selections": [
      {
        "alias": null,
        "args": null,
        "concreteType": "Organization",
        "kind": "LinkedField",
        "name": "nodes",
        "plural": true,
        "selections": [
          {
            "alias": null,
            "args": null,
            "kind": "ScalarField",
            "name": "id",
            "storageKey": null
          },
          {
            "alias": null,
            "args": null,
            "kind": "ScalarField",
            "name": "name",
            "storageKey": null
          }
        ],
        "storageKey": null
      }
    ],
    "storageKey": "myOrganizations(first:50)"
  }
];
return {
  "fragment": {
    "argumentDefinitions": [],
    "kind": "Fragment",
    "metadata": null,
    "name": "relayListQuery",
    "selections": (v0/*:: as any*/),
    "type": "Query",
    "abstractKey": null
  },
  "kind": "Request",
  "operation": {
    "argumentDefinitions": [],
    "kind": "Operation",
    "name": "relayListQuery",
    "selections": (v0/*:: as any*/)
  },
  "params": {
    "cacheID": "aae794740c07c2ed99180d5f45897c76",
    "id": null,
    "metadata": {},
    "name": "relayListQuery",
    "operationKind": "query",
    "text": "query relayListQuery {\n  myOrganizations(first: 50) {\n    nodes {\n      id\n      name\n    }\n  }\n}\n"
  }
};
})();

(node as any).hash = "799c4dea0b938d13074ac90932241b3a";

export default node;
