# The image of Portcullis: one binary on a base without a shell, run by a user without rights.
# It needs a builder that knows cache mounts: BuildKit (docker) or Buildah (podman).

# The pages for browsers, which need Node to be built and nothing to be served.
FROM node:22-bookworm-slim AS web
WORKDIR /src/web
COPY web/package.json web/package-lock.json ./
COPY web/account/package.json account/
COPY web/playground/package.json playground/
COPY web/ui/package.json ui/
RUN npm ci --omit=dev --ignore-scripts --no-audit --no-fund
COPY web ./
COPY clients/js/src ../clients/js/src
RUN node node_modules/vite/bin/vite.js build --emptyOutDir --outDir /dist

# The release of Rust is the rust-version of Cargo.toml. This variant brings gcc and the C library's
# headers, and no more is needed: SQLite, mimalloc and AWS-LC all compile with the C compiler alone.
FROM rust:1.95-slim-bookworm AS build
WORKDIR /src
COPY . .
# As in --build-arg FEATURES=otel.
ARG FEATURES=
# For `portcullis --version`, since the image is built without .git: the commit, and its time in seconds since 1970.
ARG REVISION=
ARG SOURCE_DATE_EPOCH=
# The target folder is kept between builds for the sake of the dependencies, which cargo tells apart
# by version. Its own members it tells apart by age, which means nothing across checkouts, so they
# are touched and always compiled. What a cache mount holds is in no layer, hence the copy.
# /image is what the next stage takes over: the data folder, private to the user who will run.
RUN --mount=type=cache,id=portcullis-registry,target=/usr/local/cargo/registry,sharing=locked \
    --mount=type=cache,id=portcullis-target,target=/src/target,sharing=locked \
    --mount=type=bind,from=web,source=/dist,target=/dist \
    find . -path ./target -prune -o -name '*.rs' -exec touch {} + \
    && SOURCE_COMMIT="$REVISION" PORTCULLIS_WEB_DIST=/dist cargo build --release --locked --package portcullis --bin portcullis --features "$FEATURES" \
    && cp target/release/portcullis /portcullis \
    && mkdir -p /image/data \
    && chmod 700 /image/data

# The same Debian, so the same C library: glibc, libgcc, certificates, time zones and a user.
FROM gcr.io/distroless/cc-debian12:nonroot
ARG VERSION=unknown
ARG REVISION=unknown
LABEL org.opencontainers.image.title="Portcullis" \
      org.opencontainers.image.description="A self-hosted GraphQL auth server in one binary" \
      org.opencontainers.image.licenses="MIT OR Apache-2.0" \
      org.opencontainers.image.version="$VERSION" \
      org.opencontainers.image.revision="$REVISION"

COPY --from=build /portcullis /usr/local/bin/portcullis
# The parent is copied, because a folder that is named itself loses its mode on the way.
COPY --from=build --chown=65532:65532 /image/ /

# A number, so that a cluster can see that it is not root. SQLite puts its temporary files into the
# working folder when no other can be written, so it is the one that can.
USER 65532:65532
WORKDIR /data
VOLUME /data

# PUBLIC_URL, and SECRET_KEY or SECRET_KEY_FILE, are for whoever runs it to give.
ENV PORTCULLIS_ENV=production \
    LISTEN=0.0.0.0:8000 \
    DATA_DIR=/data
EXPOSE 8000
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=30s --timeout=5s --start-period=15s --retries=3 \
    CMD ["/usr/local/bin/portcullis", "doctor", "--live"]
ENTRYPOINT ["/usr/local/bin/portcullis"]
