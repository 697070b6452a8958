import type { CodegenConfig } from '@graphql-codegen/cli';

export default {
  schema: '../../../schema.graphql',
  documents: ['main.ts', 'trusted.ts'],
  generates: {
    'gql/': {
      preset: 'client',
      presetConfig: { persistedDocuments: true },
      config: {
        scalars: { DateTime: 'string' },
        // Fields with `@semanticNonNull` are never null here, since the client throws every error.
        nullability: { errorHandlingClient: true },
      },
    },
  },
} satisfies CodegenConfig;
