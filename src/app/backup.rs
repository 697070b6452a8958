//! A backup of the database: one file, which is whole or not there.
//!
//! A backup of SQLite is a database file. A backup of a server is a line that describes it, followed by the dump of the
//! server's own program.

use std::fs;
use std::io::{BufRead, BufReader, Read, Seek, SeekFrom, Write};
use std::path::Path;
use std::sync::Arc;

use anyhow::{Context, anyhow, bail};
use aws_lc_rs::digest;
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use chrono::{DateTime, Utc};
use secrecy::ExposeSecret;
use serde::{Deserialize, Serialize};

use super::{connect, existing_secret, master};
use crate::config::Config;
use crate::features::audit::Chain;
use crate::infra::db::{Db, Dumper, mark_backup, sqlite_file, sqlite_url};
use crate::infra::keys::{Master, Sealed, rotation};
use crate::infra::{private, scratch};
use crate::kernel::clock::Clock;
use crate::kernel::secret::hex;

/// What the line of a backup of a server begins with: to MariaDB a comment.
const LABEL: &str = "-- portcullis backup ";
/// The length of that line, in bytes.
const LABEL_LINE_MAX: u64 = 64 * 1024;
/// What SQLite writes at the beginning of each of its files.
const SQLITE_LABEL: &[u8] = b"SQLite format 3\0";
/// What the proof in a backup is sealed for.
const PROOF: &str = "backup";

/// What a backup holds.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Backup {
    /// When it was begun.
    pub(crate) made_at: DateTime<Utc>,
    pub(crate) product: String,
    /// On PostgreSQL.
    pub(crate) schema: Option<String>,
    /// The migrations that were applied, oldest first.
    pub(crate) migrations: Vec<String>,
    /// The last link of the audit log when it was begun. `None` before `migrate up`, which this program needs to read it.
    pub(crate) head: Option<String>,
    /// SHA-256 of what follows the line, in hexadecimal digits; of SQLite, which looks at its own files, nothing.
    digest: String,
    /// An empty text, sealed by the secret of the keys in the backup: only that secret opens it.
    proof: String,
}

impl Backup {
    /// What a database holds. Fails for a database of another program, and if `SECRET_KEY` does not open the keys in it:
    /// nobody could use a backup of it.
    pub(super) async fn of(config: &Config, db: &Db, master: &Arc<Master>) -> anyhow::Result<Self> {
        let clock = Clock::system();
        let made_at = clock.now();
        let status = config.extended.migrations.status(db.reader()).await?;
        if status.applied.is_empty() {
            bail!("it has no tables of Portcullis");
        }
        let keys = rotation::list(db.reader(), master, made_at).await?;
        if keys.iter().any(|key| key.sealed == Sealed::Unknown) {
            bail!("SECRET_KEY does not decrypt its keys: set the SECRET_KEY of its servers");
        }
        let head = match status.pending.is_empty() {
            true => {
                let chain = Chain::new(db.clone(), clock, Arc::clone(master));
                Some(chain.head().await?.to_string())
            }
            false => None,
        };
        let mut migrations = status.applied;
        migrations.extend(status.unknown);
        migrations.sort();
        Ok(Self {
            made_at,
            product: db.inspect().await?.product.to_owned(),
            schema: db.location().await?.and_then(|location| location.schema),
            migrations,
            head,
            digest: String::new(),
            proof: BASE64_STANDARD.encode(master.seal(PROOF, &[])?),
        })
    }

    /// The label of a backup of a server. The file is then read from behind it.
    pub(super) fn read(file: &mut fs::File) -> anyhow::Result<Self> {
        let mut line = Vec::new();
        BufReader::new(&mut *file).take(LABEL_LINE_MAX).read_until(b'\n', &mut line)?;
        if line.starts_with(SQLITE_LABEL) {
            bail!("it is a backup of SQLite, and DATABASE_URL names another database");
        }
        let label = line.strip_prefix(LABEL.as_bytes()).filter(|_| line.ends_with(b"\n"));
        let label = label.context("it is not a file that `portcullis backup` has written")?;
        let backup: Self = serde_json::from_slice(label).context("its first line is damaged")?;
        file.seek(SeekFrom::Start(line.len() as u64))?;
        if digest_of_rest(file)? != backup.digest {
            bail!("it is damaged or incomplete: copy the file again");
        }
        file.seek(SeekFrom::Start(line.len() as u64))?;
        Ok(backup)
    }

    /// Whether a secret opens the keys in it.
    pub(super) fn is_opened_by(&self, master: &Master) -> bool {
        let proof = BASE64_STANDARD.decode(&self.proof);
        proof.is_ok_and(|proof| master.open(PROOF, &proof).is_some())
    }
}

/// Reads a file to its end.
fn digest_of_rest(file: &mut fs::File) -> std::io::Result<String> {
    let mut digest = digest::Context::new(&digest::SHA256);
    let mut part = vec![0; 64 * 1024];
    loop {
        match file.read(&mut part)? {
            0 => return Ok(hex(digest.finish().as_ref())),
            length => digest.update(&part[..length]),
        }
    }
}

/// Writes a backup into a new file, while servers run.
pub(crate) async fn back_up(config: &Config, file: &Path) -> anyhow::Result<Backup> {
    if fs::symlink_metadata(file).is_ok() {
        bail!("{} exists already: name a new file", file.display());
    }
    if let Some(database) = sqlite_file(config.database.url.expose_secret())
        && !database.exists()
    {
        bail!("there is no database at {}", database.display());
    }
    let master = required_master(config)?;
    let db = connect(config).await?;
    let written = write(config, &db, &master, file).await;
    db.close().await?;
    written
}

async fn write(
    config: &Config,
    db: &Db,
    master: &Arc<Master>,
    file: &Path,
) -> anyhow::Result<Backup> {
    let before = Backup::of(config, db, master).await.context("the database was not copied")?;
    let folder = private::folder_of(file);
    let mut new = scratch::file_in(folder)
        .with_context(|| format!("no file can be made in {}", folder.display()))?;
    let backup = match dumper(config, db).await? {
        None => {
            db.copy_into(new.path()).await.context("the database cannot be copied")?;
            mark_backup(new.path()).context("the copy cannot be marked as a backup")?;
            look(config, new.path(), master).await?
        }
        Some(dumper) => {
            // Its digest is known in the end, and has this length.
            let mut backup = Backup { digest: hex(&[0; 32]), ..before.clone() };
            let label = format!("{LABEL}{}\n", serde_json::to_string(&backup)?);
            new.write_all(label.as_bytes())?;
            // It writes on where this has ended.
            dumper.dump(new.as_file().try_clone()?)?;
            new.seek(SeekFrom::Start(label.len() as u64))?;
            backup.digest = digest_of_rest(new.as_file_mut())?;
            new.rewind()?;
            writeln!(new, "{LABEL}{}", serde_json::to_string(&backup)?)?;
            if Backup::of(config, db, master).await?.migrations != before.migrations {
                bail!("the database was migrated meanwhile: run this command again");
            }
            before
        }
    };
    new.as_file().sync_all()?;
    new.persist_noclobber(file)
        .map_err(|error| error.error)
        .with_context(|| format!("{} cannot be written", file.display()))?;
    private::sync_folder(folder)?;
    Ok(backup)
}

/// What a copy of a SQLite file holds, after a look at all of it.
pub(super) async fn look(
    config: &Config,
    file: &Path,
    master: &Arc<Master>,
) -> anyhow::Result<Backup> {
    let url = sqlite_url(file).context("the name of the file is not UTF-8: choose another one")?;
    let db = Db::connect_to_look(&url).await?;
    let looked = async {
        if let Some(damage) = db.damage().await? {
            bail!("it is damaged: {damage}");
        }
        Backup::of(config, &db, master).await
    };
    let backup = looked.await;
    db.close().await?;
    backup
}

/// The programs of a server; `None` on SQLite.
pub(super) async fn dumper(config: &Config, db: &Db) -> anyhow::Result<Option<Dumper>> {
    let Some(location) = db.location().await? else { return Ok(None) };
    // Whoever changes the schema has all rights on it.
    let url = config.database.migrate_url.as_ref().unwrap_or(&config.database.url);
    Ok(Some(Dumper::new(url.expose_secret(), location, &db.inspect().await?)?))
}

/// The keys of the master secret, which must be there.
pub(super) fn required_master(config: &Config) -> anyhow::Result<Arc<Master>> {
    let secret = existing_secret(config)?.ok_or_else(|| {
        anyhow!(
            "SECRET_KEY is missing: set it to the SECRET_KEY of the servers whose database this is"
        )
    })?;
    Ok(Arc::new(master(config, &secret)?))
}

/// Opens a file to read it. Whoever opens a pipe or a device may wait for ever.
pub(super) fn open(file: &Path) -> anyhow::Result<fs::File> {
    let found = fs::metadata(file).with_context(|| format!("{} cannot be read", file.display()))?;
    if !found.is_file() {
        bail!("{} is not a file", file.display());
    }
    fs::File::open(file).with_context(|| format!("{} cannot be read", file.display()))
}

/// Whether a file is one of SQLite.
pub(super) fn is_sqlite(file: &Path) -> anyhow::Result<bool> {
    let mut label = Vec::new();
    let read = open(file)?.take(SQLITE_LABEL.len() as u64).read_to_end(&mut label);
    read.with_context(|| format!("{} cannot be read", file.display()))?;
    Ok(label == SQLITE_LABEL)
}
