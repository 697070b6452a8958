//! The programs of a database server that write and read its backups. They get the password in a variable or a private
//! file: everybody on the machine can read the arguments of a program.

use std::fmt::Write as _;
use std::fs::File;
use std::io::{self, ErrorKind, Write as _};
use std::process::{Command, ExitStatus, Stdio};

use percent_encoding::percent_decode_str;
use tempfile::NamedTempFile;
use url::Url;

use super::address::{Address, AddressError, host_of, port_of};
use super::inspect::{Inspection, Location};
use crate::infra::scratch;

/// Why a program did not do its work.
#[derive(Debug, thiserror::Error)]
pub(crate) enum DumpError {
    #[error("the address of the database is invalid")]
    Address(#[from] AddressError),
    #[error(
        "the programs of MariaDB and MySQL know one host only: name the primary in MIGRATE_DATABASE_URL"
    )]
    SeveralHosts,
    #[error(
        "{program} is not installed here: install the package {package}, then run this command again. It runs \
         `{command}`"
    )]
    Missing { program: &'static str, package: &'static str, command: String },
    #[error("{program} failed ({status}): it says why above")]
    Failed { program: &'static str, status: ExitStatus },
    #[error("{program} cannot be run")]
    Io { program: &'static str, source: io::Error },
}

/// Writes and reads backups of one database on a server.
pub(crate) struct Dumper {
    address: Address,
    location: Location,
    product: Product,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Product {
    Postgres,
    MariaDb,
    MySql,
}

/// A program with its arguments and variables.
struct Program {
    /// By which names it is looked for.
    names: &'static [&'static str],
    package: &'static str,
    arguments: Vec<String>,
    variables: Vec<(&'static str, String)>,
    /// Where it finds the password; deleted when the program has ended.
    options: Option<NamedTempFile>,
}

impl Dumper {
    /// Over the address of the database.
    pub(crate) fn new(
        address: &str,
        location: Location,
        inspection: &Inspection,
    ) -> Result<Self, DumpError> {
        let product = match inspection.product {
            "PostgreSQL" => Product::Postgres,
            "MariaDB" => Product::MariaDb,
            _ => Product::MySql,
        };
        Ok(Self { address: Address::parse(address)?, location, product })
    }

    /// Writes all of the database, as it is at one moment, to the end of a file.
    pub(crate) fn dump(&self, file: File) -> Result<(), DumpError> {
        let mut program = match self.product {
            Product::Postgres => self.postgres(&["pg_dump"]),
            Product::MariaDb => self.mysql(&["mariadb-dump", "mysqldump"])?,
            Product::MySql => self.mysql(&["mysqldump", "mariadb-dump"])?,
        };
        let arguments: &[&str] = match self.product {
            Product::Postgres => &["--format=custom", "--no-owner", "--no-password"],
            Product::MariaDb | Product::MySql => &[
                "--single-transaction",
                "--routines",
                "--triggers",
                "--hex-blob",
                "--no-tablespaces",
            ],
        };
        program.arguments.extend(arguments.iter().map(|&argument| argument.to_owned()));
        program.arguments.extend(self.location.schema.as_ref().map(|schema| {
            // Otherwise it is a pattern.
            format!("--schema=\"{schema}\"")
        }));
        program.arguments.push(self.location.database.clone());
        program.run(Stdio::null(), file.into())
    }

    /// Reads what [`Dumper::dump`] has written, from where the file is read, into an empty database: on PostgreSQL all
    /// of it or nothing.
    pub(crate) fn load(&self, file: File) -> Result<(), DumpError> {
        let mut program = match self.product {
            Product::Postgres => self.postgres(&["pg_restore"]),
            Product::MariaDb => self.mysql(&["mariadb", "mysql"])?,
            Product::MySql => self.mysql(&["mysql", "mariadb"])?,
        };
        if self.product == Product::Postgres {
            let whole = ["--single-transaction", "--exit-on-error", "--no-owner", "--no-password"];
            program.arguments.extend(whole.map(str::to_owned));
            // Without what makes the schema itself, which is there.
            let schema = self.location.schema.as_ref();
            program.arguments.extend(schema.map(|schema| format!("--schema={schema}")));
            program.arguments.push(format!("--dbname={}", self.location.database));
        } else {
            program.arguments.push(self.location.database.clone());
        }
        program.run(file.into(), Stdio::null())
    }

    /// Of PostgreSQL. What its programs are not told they take from the same variables as the server does.
    fn postgres(&self, names: &'static [&'static str]) -> Program {
        let mut variables = Vec::new();
        let mut put = |name, value: String| {
            if !value.is_empty() {
                variables.push((name, value));
            }
        };
        let list = |of: &dyn Fn(&Url) -> String| {
            let list: Vec<_> = self.address.hosts().iter().map(of).collect();
            if list.iter().all(String::is_empty) { String::new() } else { list.join(",") }
        };
        put("PGHOST", list(&host_of));
        put("PGPORT", list(&|url| port_of(url).unwrap_or_default()));
        if self.address.only().is_none() {
            put("PGTARGETSESSIONATTRS", self.address.wanted.into_str().to_owned());
        }
        let any = self.address.any();
        put("PGUSER", decoded(any.username()));
        put("PGPASSWORD", decoded(any.password().unwrap_or_default()));
        for (key, value) in any.query_pairs() {
            let name = match &*key {
                "hostaddr" => "PGHOSTADDR",
                "user" => "PGUSER",
                "password" => "PGPASSWORD",
                "sslmode" | "ssl-mode" => "PGSSLMODE",
                "sslrootcert" | "ssl-root-cert" | "ssl-ca" => "PGSSLROOTCERT",
                "sslcert" | "ssl-cert" => "PGSSLCERT",
                "sslkey" | "ssl-key" => "PGSSLKEY",
                // The programs name the schema, and other options are for a server's statements.
                _ => continue,
            };
            variables.push((name, value.into_owned()));
        }
        Program {
            names,
            package: "postgresql-client",
            arguments: Vec::new(),
            variables,
            options: None,
        }
    }

    /// Of MariaDB and MySQL.
    fn mysql(&self, names: &'static [&'static str]) -> Result<Program, DumpError> {
        // Loading the ids of MySQL's own transactions takes more rights, and they mean nothing in another database.
        let address = self.address.only().ok_or(DumpError::SeveralHosts)?;
        let mut options = "[mysqldump]\nloose-set-gtid-purged=OFF\n[client]\n".to_owned();
        let mut put = |name: &str, value: &str| {
            if !value.is_empty() {
                let value = value.replace('\\', "\\\\").replace('"', "\\\"");
                // Writing into memory does not fail.
                let _written = writeln!(options, "{name}=\"{value}\"");
            }
        };
        put("host", address.host_str().unwrap_or_default().trim_matches(['[', ']']));
        put("port", &address.port().map(|port| port.to_string()).unwrap_or_default());
        put("user", &decoded(address.username()));
        put("password", &decoded(address.password().unwrap_or_default()));
        for (key, value) in address.query_pairs() {
            match &*key {
                "socket" => put("socket", &value),
                "ssl-ca" | "sslca" => put("ssl-ca", &value),
                "ssl-cert" => put("ssl-cert", &value),
                "ssl-key" => put("ssl-key", &value),
                "ssl-mode" | "sslmode" if self.product == Product::MySql => put("ssl-mode", &value),
                "ssl-mode" | "sslmode" => match &*value.to_ascii_lowercase() {
                    "disabled" => put("ssl", "0"),
                    "required" => put("ssl", "1"),
                    "verify_ca" | "verify_identity" => put("ssl-verify-server-cert", "1"),
                    _ => {}
                },
                _ => {}
            }
        }
        put("default-character-set", "utf8mb4");
        let write = || {
            let mut file = scratch::file_in(&std::env::temp_dir())?;
            file.write_all(options.as_bytes())?;
            file.flush().map(|()| file)
        };
        let file = write().map_err(|source| DumpError::Io { program: names[0], source })?;
        let arguments = vec![format!("--defaults-extra-file={}", file.path().display())];
        let package = match self.product {
            Product::MySql => "mysql-client",
            Product::MariaDb | Product::Postgres => "mariadb-client",
        };
        Ok(Program { names, package, arguments, variables: Vec::new(), options: Some(file) })
    }
}

impl Program {
    /// Runs it to its end. What it complains about goes where this program complains.
    fn run(self, input: Stdio, output: Stdio) -> Result<(), DumpError> {
        let (mut input, mut output) = (Some(input), Some(output));
        for &program in self.names {
            let mut command = Command::new(program);
            command
                .args(&self.arguments)
                .envs(self.variables.iter().map(|(name, value)| (name, value)));
            let missing = Command::new(program).arg("--version").stdout(Stdio::null()).status();
            if missing.is_err_and(|error| error.kind() == ErrorKind::NotFound) {
                continue;
            }
            command.stdin(input.take().unwrap_or_else(Stdio::null));
            command.stdout(output.take().unwrap_or_else(Stdio::null));
            return match command.status() {
                Ok(status) if status.success() => Ok(()),
                Ok(status) => Err(DumpError::Failed { program, status }),
                Err(source) => Err(DumpError::Io { program, source }),
            };
        }
        Err(self.missing())
    }

    fn missing(&self) -> DumpError {
        let program = self.names[0];
        let arguments = self.arguments.iter().filter(|it| !it.starts_with("--defaults-extra-file"));
        let arguments: Vec<_> = arguments.map(String::as_str).collect();
        let of = |name: &str| self.variables.iter().find(|(of, _)| *of == name);
        let host = of("PGHOST").map(|(_, host)| format!(" --host={host}")).unwrap_or_default();
        let user = of("PGUSER").map(|(_, user)| format!(" --username={user}")).unwrap_or_default();
        let asks = if self.options.is_some() { " --user=USER --host=HOST --password" } else { "" };
        let command = format!("{program}{host}{user}{asks} {}", arguments.join(" "));
        DumpError::Missing { program, package: self.package, command }
    }
}

fn decoded(text: &str) -> String {
    percent_decode_str(text).decode_utf8_lossy().into_owned()
}
