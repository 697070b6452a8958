/**
 * @generated SignedSource<<987b622a36fc3f2c480a739248dcef70>>
 * @lightSyntaxTransform
 */

/* tslint:disable */
/* eslint-disable */
// @ts-nocheck

import { ConcreteRequest } from 'relay-runtime';
export type relayCreateMutation$variables = {
  name: string;
};
export type relayCreateMutation$data = {
  readonly createOrganization: {
    readonly organization: {
      readonly id: string;
      readonly name: string;
    };
  } | null | undefined;
};
export type relayCreateMutation = {
  response: relayCreateMutation$data;
  variables: relayCreateMutation$variables;
};

const node: ConcreteRequest = (function(){
var v0 = [
  {
    "defaultValue": null,
    "kind": "LocalArgument",
    "name": "name"
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
            "name": "name",
            "variableName": "name"
          }
        ],
        "kind": "ObjectValue",
        "name": "input"
      }
    ],
    "concreteType": "CreateOrganizationPayload",
    "kind": "LinkedField",
    "name": "createOrganization",
    "plural": false,
    "selections": [
      {
        "alias": null,
        "args": null,
        "concreteType": "Organization",
        "kind": "LinkedField",
        "name": "organization",
        "plural": false,
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
    "storageKey": null
  }
];
return {
  "fragment": {
    "argumentDefinitions": (v0/*:: as any*/),
    "kind": "Fragment",
    "metadata": null,
    "name": "relayCreateMutation",
    "selections": (v1/*:: as any*/),
    "type": "Mutation",
    "abstractKey": null
  },
  "kind": "Request",
  "operation": {
    "argumentDefinitions": (v0/*:: as any*/),
    "kind": "Operation",
    "name": "relayCreateMutation",
    "selections": (v1/*:: as any*/)
  },
  "params": {
    "cacheID": "bdbd7b0e3658129c7a6b5476b7210371",
    "id": null,
    "metadata": {},
    "name": "relayCreateMutation",
    "operationKind": "mutation",
    "text": "mutation relayCreateMutation(\n  $name: String!\n) {\n  createOrganization(input: {name: $name}) {\n    organization {\n      id\n      name\n    }\n  }\n}\n"
  }
};
})();

(node as any).hash = "9938fe529842dae300b714754767d58a";

export default node;
