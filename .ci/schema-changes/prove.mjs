// Makes changes to the given schema, and fails unless each is told as it must be.
import { readFileSync } from 'node:fs';
import { Kind, parse, print, visit } from 'graphql';
import { compare } from './compare.mjs';

/** What is changed, in the schema as it is. */
const MADE_UP = `
extend type Query {
  proof(input: ProofInput): Proof
    @auth(permission: USERS_READ) @fresh(maxAgeSeconds: 300) @rateLimit(name: "proof.user", max: 1) @cost(weight: "2")
  openProof: Int @public
  sure: Int @auth @semanticNonNull
  sureLists: [[Int]] @auth @semanticNonNull(levels: [0, 2])
}
type Proof {
  here: Int!
  secret: Int @private(permission: USERS_READ)
  part: ProofPart
}
type ProofPart { value: ProofValue }
enum ProofValue { ONE TWO }
input ProofInput { here: Int }
`;
const now = `${readFileSync(process.argv[2], 'utf8')}${MADE_UP}`;

/** The schema with another member, or without one (`null`), in the place of that of a type. */
function changed(coordinate, change, text = now) {
  const [of, name] = coordinate.split('.');
  let count = 0;
  const member = (node, _key, _parent, _path, ancestors) => {
    if (node.name.value !== name || ancestors.at(-1)?.name?.value !== of) return undefined;
    count += 1;
    return change(node);
  };
  const document = visit(parse(text), {
    FieldDefinition: member,
    InputValueDefinition: member,
    EnumValueDefinition: member,
  });
  if (count !== 1) throw new Error(`${coordinate} stands there ${count} times`);
  return print(document);
}

const directive = (text) => parse(`type T { f: Int ${text} }`).definitions[0].fields[0].directives[0];
const without = (name) => (node) => ({ ...node, directives: node.directives.filter((used) => used.name.value !== name) });
const having = (text) => (node) => ({ ...node, directives: [...node.directives, directive(text)] });
const instead = (name, text) => (node) => having(text)(without(name)(node));
const gone = (coordinate) => changed(coordinate, () => null);
const told = (coordinate) => changed(coordinate, having('@deprecated(reason: "Use another.")'));
const more = (text) => `${now}${text}`;
const withoutType = (name, text) => {
  const document = parse(text);
  return print({ ...document, definitions: document.definitions.filter((of) => of.name?.value !== name) });
};

let failed = false;

/** Compares, and says whether this is what is refused, and how many changes of the policy are printed. */
function proves(what, { released = now, settled = released, after = now }, refused, printed = 0) {
  const found = compare(released, settled, after);
  if (JSON.stringify(found.refused) === JSON.stringify(refused) && found.policy.length === printed) return;
  failed = true;
  console.error(`FAILED: ${what}: ${JSON.stringify(found)}`);
}

proves('no change', {}, []);

const HERE = ['Proof.here was removed.'];
proves('a field that is gone', { after: gone('Proof.here') }, HERE);
proves('one that was deprecated', { released: told('Proof.here'), after: gone('Proof.here') }, []);
proves('one that was deprecated lately', { released: told('Proof.here'), settled: now, after: gone('Proof.here') }, HERE);
proves('one that is deprecated no more', { settled: told('Proof.here'), after: gone('Proof.here') }, HERE);
proves('a field that is deprecated now', { after: told('Proof.here') }, []);
proves('a value that is gone', { after: gone('ProofValue.ONE') }, ['ONE was removed from enum type ProofValue.']);
proves('one that was deprecated', { released: told('ProofValue.ONE'), after: gone('ProofValue.ONE') }, []);
proves('an input that is gone', { after: gone('ProofInput.here') }, ['ProofInput.here was removed.']);
proves('one that was deprecated', { released: told('ProofInput.here'), after: gone('ProofInput.here') }, []);
proves('an argument that is gone', { after: gone('proof.input') }, ['Query.proof arg input was removed.']);
proves('one that was deprecated', { released: told('proof.input'), after: gone('proof.input') }, []);
const partless = withoutType('ProofPart', gone('Proof.part'));
proves('a type that is gone', { after: partless }, ['ProofPart was removed.', 'Proof.part was removed.']);
proves('one that only a deprecated field had', { released: told('Proof.part'), after: partless }, []);
proves(
  'a field that may be null now',
  { after: changed('Proof.here', (node) => ({ ...node, type: node.type.type })) },
  ['Proof.here changed type from Int! to Int.'],
);
proves('a new field', { after: more('extend type Proof { more: String }') }, []);
proves('an input that may be given', { after: more('extend input ProofInput { more: String }') }, []);
proves('an input that must be given', { after: more('extend input ProofInput { more: String! }') }, [
  'A required field more on input type ProofInput was added.',
]);

const ruled = (coordinate, change) => ({ after: changed(coordinate, change) });
proves('no @auth any more', ruled('Query.proof', without('auth')), ['Query.proof lost @auth'], 1);
proves('@public instead', ruled('Query.proof', instead('auth', '@public')), ['Query.proof lost @auth'], 1);
proves('no @fresh any more', ruled('Query.proof', without('fresh')), ['Query.proof lost @fresh'], 1);
proves('no limit any more', ruled('Query.proof', without('rateLimit')), ['Query.proof lost @rateLimit(name: "proof.user")'], 1);
proves('no @private any more', ruled('Proof.secret', without('private')), ['Proof.secret lost @private'], 1);
proves('a laxer @auth', ruled('Query.proof', instead('auth', '@auth')), [], 1);
proves('a stricter rule', ruled('Query.openProof', instead('public', '@auth')), [], 1);
proves('a further rule', ruled('Proof.here', having('@auth')), [], 1);
proves('whoever enrols, too', ruled('Query.proof', having('@enrolling')), ['Query.proof gained @enrolling'], 1);
const enrolling = { released: changed('Query.proof', having('@enrolling')) };
proves('nobody who enrols any more', enrolling, [], 1);
proves('a rule less for whoever enrols', { ...enrolling, after: changed('Query.proof', without('fresh')) }, ['Query.proof lost @fresh'], 1);
proves('null without an error', ruled('Query.sure', without('semanticNonNull')), ['Query.sure lost @semanticNonNull']);
proves('null without an error, at a depth', ruled('Query.sureLists', instead('semanticNonNull', '@semanticNonNull')), [
  'Query.sureLists lost @semanticNonNull at level 2',
]);
proves('never null, as it says', ruled('Query.sure', instead('semanticNonNull', '@semanticNonNull(levels: [0])')), []);
proves(
  'never null by its type',
  ruled('Query.sure', (node) => ({ ...without('semanticNonNull')(node), type: { kind: Kind.NON_NULL_TYPE, type: node.type } })),
  [],
);
proves('null only with an error now', ruled('Query.openProof', having('@semanticNonNull')), []);
proves('another cost', ruled('Query.proof', without('cost')), []);

if (failed) process.exit(1);
console.log('changes are told apart');
