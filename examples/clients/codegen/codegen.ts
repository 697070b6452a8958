import type { CodegenConfig } from '@graphql-codegen/cli';

export default {
  schema: '../../../schema.graphql',
  documents: 'main.ts',
  generates: {
    'gql/': {
      preset: 'client',
      config: {
        scalars: { DateTime: 'string' },
        // Fields with `@semanticNonNull` are never null here, since the client throws every error.
        nullability: { errorHandlingClient: true },
      },
    },
  },
} satisfies CodegenConfig;
