// What introspection says, here and by graphql-js over the same SDL.
import { isSpecifiedDirective, isSpecifiedScalarType } from 'graphql';

/** What every server has by the specification: that is listed or not, and described in one's own words. */
const isOfTheSpecification = ({ name }) =>
  name.startsWith('__') || isSpecifiedScalarType({ name }) || isSpecifiedDirective({ name });

/** The same, in the order of names, which the specification leaves open, and of our own things only. */
function settled(value) {
  if (Array.isArray(value)) {
    const items = value.map(settled);
    const isNamed = items.every((item) => typeof item?.name === 'string');
    return isNamed ? items.filter((item) => !isOfTheSpecification(item)).sort((a, b) => (a.name < b.name ? -1 : 1)) : items;
  }
  if (value === null || typeof value !== 'object') {
    return value;
  }
  return Object.fromEntries(Object.entries(value).map(([key, inner]) => [key, settled(inner)]));
}

/** What is known to differ, and how often it did. */
export const TOLERATED = new Map([
  ['__Type.interfaces of an interface without any is null (async-graphql), not an empty list', 0],
]);

function isTolerated(ours, theirs, path) {
  const [interfaces] = TOLERATED.keys();
  const known = path.endsWith('.interfaces') && ours === null && theirs?.length === 0 ? interfaces : undefined;
  if (known) {
    TOLERATED.set(known, TOLERATED.get(known) + 1);
  }
  return known !== undefined;
}

/** Where two answers below `__schema` or `__type` differ, if they do. */
export function introspected(ours, theirs) {
  return first(settled(ours), settled(theirs), '');
}

function first(ours, theirs, path) {
  if (ours === null || theirs === null || typeof ours !== 'object' || typeof theirs !== 'object') {
    return ours === theirs || isTolerated(ours, theirs, path) ? undefined : `${path}: ours ${JSON.stringify(ours)}, theirs ${JSON.stringify(theirs)}`;
  }
  const [keys, others] = [Object.keys(ours).join(), Object.keys(theirs).join()];
  if (Array.isArray(ours) !== Array.isArray(theirs) || keys !== others) {
    return `${path}: ours has ${keys}, theirs ${others}`;
  }
  for (const [key, inner] of Object.entries(ours)) {
    const found = first(inner, theirs[key], `${path}.${inner?.name ?? key}`);
    if (found) {
      return found;
    }
  }
  return undefined;
}
