# What CI runs, by name. `just` alone lists the recipes.
_default:
    @just --list

check: fmt lint test doc schema-fresh

fmt:
    cargo fmt --all --check

lint:
    cargo clippy --workspace --all-targets --locked -- -D warnings

test:
    cargo test --workspace --locked

# The same suite on the PostgreSQL that URL names, a schema a test.
test-postgres URL="postgres://root@127.0.0.1:5432/test":
    TEST_DATABASE_URL={{URL}} cargo test --locked --test api

# The same suite on the MariaDB or MySQL that URL names, a database a test.
test-mariadb URL="mysql://root@127.0.0.1:3306/test":
    TEST_DATABASE_URL={{URL}} cargo test --locked --test api

doc:
    RUSTDOCFLAGS="-D warnings" cargo doc --workspace --no-deps --document-private-items --locked

schema:
    cargo run -q -- schema > schema.graphql

schema-fresh:
    cargo run -q -- schema | diff schema.graphql -

deny:
    cargo deny check

# What the release binary costs, as ratios; `just bench --database-url postgres://…` on a server.
bench *OPTIONS:
    cargo bench --bench load -- {{OPTIONS}}
    cargo bench --bench counts

serve:
    cargo run

migrate:
    cargo run -- migrate up
