// The other service of the graph: reviews, of whose authors it knows the ids and nothing else.
import { readFileSync } from 'node:fs';
import { buildSubgraphSchema } from '@apollo/subgraph';
import { parse } from 'graphql';
import { createYoga } from 'graphql-yoga';

/** What answers requests for these reviews, which may be changed. */
export function serviceOf(reviews) {
  const by = ({ id }) => reviews.filter((review) => review.author.id === id);
  const schema = buildSubgraphSchema({
    typeDefs: parse(readFileSync(new URL('reviews.graphql', import.meta.url), 'utf8')),
    resolvers: {
      Query: {
        reviews: () => reviews,
        reviewCount: () => reviews.length,
        reviewerCount: () => new Set(reviews.map(({ author }) => author.id)).size,
      },
      Mutation: { deleteReviews: () => reviews.splice(0).length },
      Review: {
        __resolveReference: ({ id }) => reviews.find((review) => review.id === id),
        visibleAuthor: ({ author }) => author,
      },
      User: { __resolveReference: ({ id }) => ({ id }), reviews: by },
    },
  });
  return createYoga({ schema, logging: false });
}
