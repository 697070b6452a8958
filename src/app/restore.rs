//! Restores a backup: checks it first, and ends what has ended since.

use std::fs::{self, File};
use std::io::{Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};

use anyhow::{Context, bail};
use secrecy::{ExposeSecret, SecretString};
use tempfile::TempPath;

use super::backup::{Backup, dumper, is_sqlite, look, open, required_master};
use super::{App, changing_schema, connect, existing_secret, migrate_up};
use crate::config::Config;
use crate::features::audit::{Detail, Head, kind};
use crate::features::change::{Fault, Record, Tx};
use crate::features::links;
use crate::infra::db::{
    Db, claim_unused, is_marked, require_own, sqlite_file, sqlite_url, unmark_backup,
};
use crate::infra::{private, scratch};
use crate::kernel::acting::Acting;
use crate::kernel::clock::Clock;

/// How MariaDB and MySQL end what they have written whole.
const MYSQL_END: &[u8] = b"-- Dump completed";
/// How far from the end of a file that may stand, in bytes.
const MYSQL_END_MAX: i64 = 256;

/// Whether an existing database is replaced.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Existing {
    Refused,
    Replaced,
}

/// Whether restored sessions, links and keys are ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Revived {
    Ended,
    Kept,
}

/// What was restored.
pub(crate) struct Restored {
    /// The last link of the audit log in the backup.
    pub(crate) head: Head,
    /// How many sessions ended; `None` if they were kept.
    pub(crate) sessions: Option<u64>,
}

/// Restores a backup into the database of `config`, which no server runs on.
pub(crate) async fn restore(
    config: &Config,
    file: &Path,
    existing: Existing,
    revived: Revived,
) -> anyhow::Result<Restored> {
    match sqlite_file(config.database.url.expose_secret()) {
        Some(target) => into_file(config, file, &target, existing, revived).await,
        None if existing == Existing::Replaced => bail!(
            "--replace is for SQLite: make an empty database, restore into it, and set DATABASE_URL to it. The \
             database before is kept until you drop it"
        ),
        None => into_server(config, file, revived).await,
    }
}

/// All is done to a copy beside the database, which then takes its place.
async fn into_file(
    config: &Config,
    file: &Path,
    target: &Path,
    existing: Existing,
    revived: Revived,
) -> anyhow::Result<Restored> {
    // A file that links lead to is replaced where it is.
    let target = &fs::canonicalize(target).unwrap_or_else(|_| target.to_owned());
    let refused = || format!("{} was not restored", file.display());
    if !is_sqlite(file).with_context(refused)? {
        bail!("{}: it is not a backup of SQLite, which DATABASE_URL names", refused());
    }
    if beside(file, "-wal").exists() {
        bail!("{}: a server uses it as its database, so it is no backup", refused());
    }
    require_replaceable(target, existing)?;
    let master = required_master(config)?;
    let folder = private::folder_of(target);
    private::create_folder(folder).context("the folder of the database cannot be created")?;
    let workplace = scratch::folder_in(folder)
        .with_context(|| format!("no folder can be made in {}", folder.display()))?;
    let copy = workplace.path().join("portcullis.db");
    copy_private(file, &copy).with_context(refused)?;
    if !is_marked(&copy).with_context(refused)? {
        bail!(
            "{}: it is a copy of a database, which may lack the newest changes. Make a backup of the database with \
             `portcullis backup`, and restore that",
            refused()
        );
    }
    let backup = look(config, &copy, &master).await.with_context(refused)?;
    config.extended.migrations.require_known(&backup.migrations).with_context(refused)?;
    unmark_backup(&copy).with_context(refused)?;
    let config = over(config, &copy)?;
    let settled = settle(&config, revived).await.with_context(refused)?;
    if ["-wal", "-journal"].iter().any(|ending| beside(&copy, ending).exists()) {
        bail!("{}: another program has opened the copy", refused());
    }
    File::open(&copy)?.sync_all()?;
    put_in_place(TempPath::try_from_path(copy)?, target, existing)?;
    private::sync_folder(folder)?;
    Ok(settled)
}

/// Moves the copy to the place of the database, where nobody may begin to use the one before.
fn put_in_place(copy: TempPath, target: &Path, existing: Existing) -> anyhow::Result<()> {
    require_replaceable(target, existing)?;
    let before = target.exists().then(|| claim_unused(target)).transpose()?;
    let placed = match existing {
        Existing::Replaced => copy.persist(target),
        Existing::Refused => copy.persist_noclobber(target),
    };
    drop(before);
    placed
        .map_err(|error| error.error)
        .with_context(|| format!("the copy could not take the place of {}", target.display()))
}

/// Fails if a database in the place of a backup is to stay, or is another program's, or if a log is left there: SQLite
/// would take it for a part of whatever database it finds beside it.
fn require_replaceable(target: &Path, existing: Existing) -> anyhow::Result<()> {
    if target.exists() {
        return match existing {
            Existing::Replaced => Ok(require_own(target)?),
            Existing::Refused => bail!(
                "there is a database at {} already: name another one in DATABASE_URL, or add --replace to delete it",
                target.display()
            ),
        };
    }
    for ending in ["-wal", "-journal"] {
        let log = beside(target, ending);
        if log.exists() {
            bail!("the log {} of another database is in the way: move it away", log.display());
        }
    }
    Ok(())
}

async fn into_server(config: &Config, file: &Path, revived: Revived) -> anyhow::Result<Restored> {
    let refused = || format!("{} was not restored", file.display());
    let mut opened = open(file).with_context(refused)?;
    let backup = Backup::read(&mut opened).with_context(refused)?;
    if !backup.is_opened_by(&*required_master(config)?) {
        bail!("{}: SECRET_KEY is not the one that its keys were encrypted with", refused());
    }
    let db = connect(config).await?;
    let loaded = load(config, &db, &backup, opened).await.with_context(refused);
    db.close().await?;
    loaded?;
    let unsettled = "the backup is in the database, but what has ended since may be valid again: let no server start. \
                     Make an empty database, and restore into that";
    let settled = settle(config, revived).await.context(unsettled)?;
    let db = connect(config).await?;
    let ended = changing_schema(config, &db).await?.end_restore().await;
    db.close().await?;
    ended.context(unsettled)?;
    Ok(settled)
}

async fn load(config: &Config, db: &Db, backup: &Backup, mut file: File) -> anyhow::Result<()> {
    let product = db.inspect().await?.product;
    if backup.product != product {
        bail!("it is a backup of {}, and DATABASE_URL names {product}", backup.product);
    }
    config.extended.migrations.require_known(&backup.migrations)?;
    if !db.is_empty().await? {
        bail!("the database is not empty: make an empty one, and set DATABASE_URL to it");
    }
    let schema = db.location().await?.and_then(|location| location.schema);
    if backup.schema != schema {
        bail!(
            "it holds the schema {}: create that in the database, and name it in the search_path of DATABASE_URL",
            backup.schema.as_deref().unwrap_or_default()
        );
    }
    if product != "PostgreSQL" {
        require_end(&mut file)?;
    }
    // Fails for another database than the one that was looked at.
    let owner = changing_schema(config, db).await?;
    let dumper = dumper(config, &owner).await?.context("DATABASE_URL names no server")?;
    // The program goes on when this one dies, and nothing would be ended.
    owner.begin_restore().await?;
    dumper.load(file).with_context(|| match product {
        "PostgreSQL" => "nothing was loaded: make an empty database again, and run this command again",
        _ => "the database holds a part of the backup: drop it, make it again, and run this command again",
    })
}

/// Fails for a file that was cut off, of which MariaDB would load what there is.
fn require_end(file: &mut File) -> anyhow::Result<()> {
    let begin = file.stream_position()?;
    let length = file.seek(SeekFrom::End(0))?;
    file.seek(SeekFrom::End(-MYSQL_END_MAX.min(i64::try_from(length - begin)?)))?;
    let mut end = Vec::new();
    file.read_to_end(&mut end)?;
    file.seek(SeekFrom::Start(begin))?;
    if !end.windows(MYSQL_END.len()).any(|text| text == MYSQL_END) {
        bail!("its end is missing: copy the file again");
    }
    Ok(())
}

/// Brings the schema of what was restored up to date, and ends what the backup brings back to life.
async fn settle(config: &Config, revived: Revived) -> anyhow::Result<Restored> {
    let db = connect(config).await?;
    let migrated = migrate_up(config, &db).await;
    db.close().await?;
    migrated?;
    let app = App::build(config.clone(), Clock::system()).await?;
    let settled = app.settle_restored(revived).await;
    app.close().await?;
    settled
}

impl App {
    /// Records that a backup was restored, and ends what has become valid again: links that were used, keys that were
    /// withdrawn, and sessions that ended.
    async fn settle_restored(&self, revived: Revived) -> anyhow::Result<Restored> {
        let head = self.chain.head().await?;
        let told = match revived {
            Revived::Ended => head.to_string(),
            Revived::Kept => format!("{head}, sessions kept"),
        };
        let record = async |tx: Tx<'_>| -> Result<(), Fault> {
            if revived == Revived::Ended {
                links::void_all(&tx).await?;
            }
            tx.note(Record::of(kind::BACKUP_RESTORED).in_detail(Detail::of(&told)));
            Ok(tx.commit(()).await?)
        };
        self.changes.run("restore a backup", Acting::operator(), record).await?;
        if revived == Revived::Kept {
            return Ok(Restored { head, sessions: None });
        }
        self.keyring.replace_all().await?;
        let ended = self.sessions.end_everybody(Acting::operator()).await?;
        Ok(Restored { head, sessions: Some(ended) })
    }
}

/// The same settings over a copy of the database: its secret is that of the database.
fn over(config: &Config, copy: &Path) -> anyhow::Result<Config> {
    let secret = existing_secret(config)?.context("SECRET_KEY is missing")?;
    let secret = String::from_utf8(secret.to_vec()).context("SECRET_KEY is not text")?;
    let url =
        sqlite_url(copy).context("the folder of the database has a name that is not UTF-8")?;
    let mut config = config.clone();
    config.secret_key = Some(SecretString::from(secret));
    config.database.url = url.into();
    config.database.migrate_url = None;
    Ok(config)
}

fn copy_private(from: &Path, to: &Path) -> std::io::Result<()> {
    let mut copy = private::to_write().create_new(true).open(to)?;
    std::io::copy(&mut File::open(from)?, &mut copy)?;
    copy.sync_all()
}

/// A file that SQLite has beside a database.
fn beside(file: &Path, ending: &str) -> PathBuf {
    let mut name = file.as_os_str().to_owned();
    name.push(ending);
    name.into()
}
