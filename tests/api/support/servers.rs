//! A database server of a test's own, to be paused, killed and started again.

use std::net::SocketAddr;
use std::os::unix::fs::{MetadataExt, chown};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use sea_orm::{ConnectionTrait, Database};
use tempfile::TempDir;
use uuid::Uuid;

use super::skip;

/// Ports below those that the system gives to outgoing connections: while the server is down,
/// nobody else gets its port, and nobody who keeps calling it ends up talking to themselves.
const PORTS: std::ops::Range<u16> = 10_000..32_000;
/// MariaDB knows its administrator over the socket only, and whom it lets write when it is
/// read-only is an administrator.
const WELCOME: &str = "CREATE DATABASE IF NOT EXISTS portcullis CHARACTER SET utf8mb4;
CREATE USER IF NOT EXISTS root@127.0.0.1;
GRANT ALL ON *.* TO root@127.0.0.1 WITH GRANT OPTION;
CREATE USER IF NOT EXISTS app@127.0.0.1;
GRANT ALL ON portcullis.* TO app@127.0.0.1;
";
/// A server that does not answer after this long will not.
const START_MAX: Duration = Duration::from_mins(1);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Postgres,
    MariaDb,
}

/// A private server in a temporary folder. Nothing of it is left when it is dropped.
pub(crate) struct DatabaseServer {
    kind: Kind,
    programs: PathBuf,
    owner: Option<Owner>,
    folder: TempDir,
    data: PathBuf,
    port: u16,
    process: Option<Child>,
}

/// Whom a server runs as when the tests run as root, which neither server does.
#[derive(Clone, Copy)]
struct Owner {
    user: u32,
    group: u32,
}

impl DatabaseServer {
    /// Makes and starts a server; `None`, with a word why, where its programs are not installed.
    pub(crate) async fn start(kind: Kind) -> Option<Self> {
        let folder = tempfile::tempdir().unwrap();
        let disk = folder.path().to_owned();
        Self::start_on(kind, folder, &disk).await
    }

    /// The same, with its data, and nothing else, in a folder on a disk of its own.
    pub(crate) async fn start_on(kind: Kind, folder: TempDir, disk: &Path) -> Option<Self> {
        let Some(programs) = kind.programs() else {
            skip(&format!("the programs of {kind:?} are not installed"));
            return None;
        };
        let is_root = std::fs::metadata("/proc/self").unwrap().uid() == 0;
        let owner = is_root.then(|| Owner::of(kind.user())).flatten();
        if is_root && owner.is_none() {
            skip(&format!("root may not run {kind:?}, and there is no user {}", kind.user()));
            return None;
        }
        for path in [folder.path(), disk] {
            if let Some(Owner { user, group }) = owner {
                chown(path, Some(user), Some(group)).unwrap();
            }
        }
        let (data, port) = (disk.join("data"), free_port());
        let mut server = Self { kind, programs, owner, folder, data, port, process: None };
        server.initialise();
        server.restart().await;
        Some(server)
    }

    /// The database's address.
    pub(crate) fn url(&self) -> String {
        self.url_over(self.port)
    }

    /// Its address for whoever goes over a relay on this port.
    pub(crate) fn url_over(&self, port: u16) -> String {
        match self.kind {
            Kind::Postgres => format!("postgres://postgres@127.0.0.1:{port}/postgres"),
            Kind::MariaDb => format!("mysql://app@127.0.0.1:{port}/portcullis"),
        }
    }

    /// Where it listens.
    pub(crate) fn address(&self) -> SocketAddr {
        SocketAddr::from(([127, 0, 0, 1], self.port))
    }

    /// Refuses to write, or no longer.
    pub(crate) async fn set_read_only(&self, is_read_only: bool) {
        let db = Database::connect(self.url().replace("//app@", "//root@")).await.unwrap();
        let statements = match self.kind {
            Kind::Postgres => vec![
                format!("ALTER SYSTEM SET default_transaction_read_only = {is_read_only}"),
                "SELECT pg_reload_conf()".to_owned(),
            ],
            Kind::MariaDb => vec![format!("SET GLOBAL read_only = {is_read_only}")],
        };
        for statement in statements {
            db.execute_unprepared(&statement).await.unwrap();
        }
        db.close().await.unwrap();
    }

    /// Runs a statement as its administrator.
    pub(crate) async fn run(&self, sql: &str) {
        let db = Database::connect(self.url().replace("//app@", "//root@")).await.unwrap();
        db.execute_unprepared(sql).await.unwrap();
        db.close().await.unwrap();
    }

    /// Has a PostgreSQL ask `user` for a password, as it does not of anybody else.
    pub(crate) async fn ask_password_of(&self, user: &str) {
        let rules = self.data.join("pg_hba.conf");
        let others = std::fs::read_to_string(&rules).unwrap();
        let rule = format!("host all {user} 127.0.0.1/32 scram-sha-256\n");
        std::fs::write(&rules, rule + &others).unwrap();
        self.run("SELECT pg_reload_conf()").await;
    }

    /// Starts a PostgreSQL again as a standby, as after a failover.
    pub(crate) async fn demote(&mut self) {
        self.stop();
        std::fs::write(self.data.join("standby.signal"), "").unwrap();
        self.restart().await;
    }

    /// What it has logged.
    pub(crate) fn logged(&self, text: &str) -> bool {
        self.log().contains(text)
    }

    /// Stops all its processes where they are, as a machine that hangs does.
    pub(crate) fn pause(&self) {
        self.signal("-STOP");
    }

    /// Lets them go on.
    pub(crate) fn resume(&self) {
        self.signal("-CONT");
    }

    /// Kills all its processes at once, as a power cut does.
    pub(crate) fn kill(&mut self) {
        // Stopped first, so that the parent neither replaces nor cleans up after its children.
        self.signal("-STOP");
        self.signal("-KILL");
        if let Some(mut process) = self.process.take() {
            process.wait().unwrap();
        }
    }

    /// Stops it as an operator does who does not wait for its clients.
    pub(crate) fn stop(&mut self) {
        let signal = match self.kind {
            Kind::Postgres => "-INT",
            Kind::MariaDb => "-TERM",
        };
        let Some(mut process) = self.process.take() else { return };
        assert!(send(signal, process.id()));
        process.wait().unwrap();
    }

    /// Whether it has ended by itself.
    pub(crate) fn has_ended(&mut self) -> bool {
        self.process.as_mut().is_none_or(|process| process.try_wait().unwrap().is_some())
    }

    /// Starts it again on its data and its port, and waits until it answers.
    pub(crate) async fn restart(&mut self) -> Duration {
        let began = Instant::now();
        self.process = Some(self.serve());
        loop {
            let refused = match Database::connect(self.url()).await {
                Ok(db) => {
                    db.close().await.unwrap();
                    return began.elapsed();
                }
                Err(refused) => refused,
            };
            let ended = self.process.as_mut().unwrap().try_wait().unwrap();
            assert!(ended.is_none(), "{:?} ended: {}", self.kind, self.log());
            let is_patient = began.elapsed() < START_MAX;
            assert!(is_patient, "{:?} does not answer: {refused}\n{}", self.kind, self.log());
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    fn initialise(&self) {
        let data = &self.data;
        let mut command = match self.kind {
            Kind::Postgres => {
                let mut command = self.command("initdb");
                command.args(["--auth=trust", "--username=postgres", "--encoding=UTF8"]);
                // Small pieces of log, so that a full disk soon has no room for the next.
                command.args(["--no-sync", "--locale=C", "--wal-segsize=1"]).arg("-D").arg(data);
                command
            }
            Kind::MariaDb => {
                let mut command = Command::new("mariadb-install-db");
                command.args(["--no-defaults", "--auth-root-authentication-method=normal"]);
                command.args(["--skip-test-db", "--skip-name-resolve"]);
                command.args(self.owner.map(|_| format!("--user={}", self.kind.user())));
                command.arg(format!("--datadir={}", data.display()));
                // One that starts clears the folder of the temporary tables of all others.
                command.arg(format!("--tmpdir={}", self.folder.path().display()));
                command
            }
        };
        std::fs::write(self.folder.path().join("init-file"), WELCOME).unwrap();
        let output = command.current_dir(self.folder.path()).output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    }

    fn serve(&self) -> Child {
        let (data, port, log) = (&self.data, self.port, self.folder.path().join("log"));
        let mut command = match self.kind {
            Kind::Postgres => {
                let mut command = self.command("postgres");
                command.arg("-D").arg(data).arg("-k").arg(self.folder.path());
                command.args(["-h", "127.0.0.1", "-p", &port.to_string()]);
                command.args(["-c", "shared_buffers=16MB", "-c", "max_connections=50"]);
                // In the folder, so that a killed one leaves nothing elsewhere.
                command.args(["-c", "dynamic_shared_memory_type=mmap"]);
                command
            }
            Kind::MariaDb => {
                let mut command = self.command("mariadbd");
                command.args(["--no-defaults", "--skip-name-resolve", "--bind-address=127.0.0.1"]);
                command.args(["--skip-networking=0", "--innodb-buffer-pool-size=32M"]);
                command.args(["--innodb-log-file-size=16M", "--key-buffer-size=1M"]);
                command.arg(format!("--datadir={}", data.display())).arg(format!("--port={port}"));
                command.arg(format!("--tmpdir={}", self.folder.path().display()));
                for file in ["socket", "pid-file", "init-file"] {
                    let path = self.folder.path().join(file);
                    command.arg(format!("--{file}={}", path.display()));
                }
                command
            }
        };
        let log = std::fs::File::options().create(true).append(true).open(log).unwrap();
        command.stdout(Stdio::null()).stderr(log).current_dir(self.folder.path()).spawn().unwrap()
    }

    /// A program of the server, as the user it may run as.
    fn command(&self, program: &str) -> Command {
        let mut command = Command::new(self.programs.join(program));
        if let Some(Owner { user, group }) = self.owner {
            command.uid(user).gid(group);
        }
        command.stdin(Stdio::null());
        command
    }

    fn log(&self) -> String {
        std::fs::read_to_string(self.folder.path().join("log")).unwrap_or_default()
    }

    fn signal(&self, signal: &str) {
        let Some(process) = &self.process else { return };
        // The parent first, which thereby starts no further child.
        for id in family(process.id()) {
            send(signal, id); // A child may have ended meanwhile.
        }
    }
}

impl Drop for DatabaseServer {
    fn drop(&mut self) {
        let Some(process) = &self.process else { return };
        if self.kind == Kind::Postgres {
            // At once, but with its shared memory given back, which a killed one leaves behind.
            self.signal("-CONT");
            send("-QUIT", process.id());
            let began = Instant::now();
            while began.elapsed() < Duration::from_secs(10) {
                if !matches!(self.process.as_mut().map(Child::try_wait), Some(Ok(None))) {
                    return;
                }
                std::thread::sleep(Duration::from_millis(10));
            }
        }
        self.kill();
    }
}

impl Kind {
    /// The folder of the server's programs.
    fn programs(self) -> Option<PathBuf> {
        let (mut folders, needed): (Vec<PathBuf>, &[&str]) = match self {
            Self::Postgres => {
                let versions = std::fs::read_dir("/usr/lib/postgresql").into_iter().flatten();
                let folders = versions.flatten().map(|version| version.path().join("bin"));
                (folders.collect(), &["initdb", "postgres"])
            }
            Self::MariaDb => {
                let is_there = Path::new("/usr/bin/mariadb-install-db").exists();
                let folders = if is_there { vec!["/usr/sbin", "/usr/bin"] } else { vec![] };
                (folders.into_iter().map(PathBuf::from).collect(), &["mariadbd"])
            }
        };
        folders.sort();
        folders.retain(|folder| needed.iter().all(|program| folder.join(program).exists()));
        folders.pop()
    }

    fn user(self) -> &'static str {
        match self {
            Self::Postgres => "postgres",
            Self::MariaDb => "mysql",
        }
    }
}

impl Owner {
    fn of(name: &str) -> Option<Self> {
        let users = std::fs::read_to_string("/etc/passwd").ok()?;
        let user = users.lines().find(|line| line.starts_with(&format!("{name}:")))?;
        let mut fields = user.split(':').skip(2);
        Some(Self { user: fields.next()?.parse().ok()?, group: fields.next()?.parse().ok()? })
    }
}

/// A process and all its descendants. Each child of PostgreSQL leads a group of its own, so that
/// a signal to the group of the parent would miss them.
fn family(parent: u32) -> Vec<u32> {
    let processes: Vec<(u32, u32)> = std::fs::read_dir("/proc")
        .unwrap()
        .flatten()
        .filter_map(|entry| {
            let id = entry.file_name().to_str()?.parse().ok()?;
            let status = std::fs::read_to_string(entry.path().join("status")).ok()?;
            let parent = status.lines().find_map(|line| line.strip_prefix("PPid:"))?;
            Some((id, parent.trim().parse().ok()?))
        })
        .collect();
    let mut family = vec![parent];
    let mut next = 0;
    while let Some(&member) = family.get(next) {
        family.extend(processes.iter().filter(|(_, of)| *of == member).map(|(id, _)| *id));
        next += 1;
    }
    family
}

/// Whether there was anyone to receive it.
fn send(signal: &str, id: u32) -> bool {
    Command::new("kill").args([signal, &id.to_string()]).output().unwrap().status.success()
}

pub(crate) fn free_port() -> u16 {
    loop {
        let [.., high, low] = *Uuid::now_v7().as_bytes();
        let port = PORTS.start + u16::from_be_bytes([high, low]) % (PORTS.end - PORTS.start);
        if std::net::TcpListener::bind(("127.0.0.1", port)).is_ok() {
            return port;
        }
    }
}
