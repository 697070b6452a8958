//! The master secret: as it is set, or in development as it was generated into the data folder.

use std::fs;
use std::io::{ErrorKind, Write};
use std::path::{Path, PathBuf};

use anyhow::{Context, bail};
use secrecy::ExposeSecret;
use tempfile::NamedTempFile;
use zeroize::Zeroizing;

use crate::config::Config;
use crate::infra::db::sqlite_file;
use crate::infra::keys::Master;
use crate::infra::private;
use crate::kernel::secret::{CryptoError, base64url, random, sha256};

/// A master secret, erased when it is dropped.
type Secret = Zeroizing<Vec<u8>>;

/// The keys that seal and open, from the secret and the one before it.
pub(crate) fn master(config: &Config, secret: &[u8]) -> Result<Master, CryptoError> {
    let previous = config.secret_key_previous.as_ref();
    Master::new(secret, previous.map(|secret| secret.expose_secret().as_bytes()))
}

/// The configured secret, or in development one that is made once and kept in the data folder.
///
/// None is made for a database that has keys: it would open none of them.
pub(super) fn master_secret(config: &Config, has_keys: bool) -> anyhow::Result<Secret> {
    if let Some(secret) = existing_secret(config)? {
        return Ok(secret);
    }
    if has_keys {
        bail!(
            "the secret that decrypts the keys of the database is missing: set SECRET_KEY, or restore \
             the file of the secret in {}",
            config.data_dir.display()
        );
    }
    private::create_folder(&config.data_dir).context("the data folder cannot be created")?;
    let path = secret_file(config);
    // Written whole and then named, so that an instance that starts at the same moment reads
    // either nothing or all of it; whoever is second takes the first one's.
    let mut file = NamedTempFile::new_in(&config.data_dir)?;
    file.write_all(Zeroizing::new(base64url(random::<32>()?)).as_bytes())?;
    file.as_file().sync_all()?;
    match file.persist_noclobber(&path) {
        Err(taken) if taken.error.kind() == ErrorKind::AlreadyExists => {}
        outcome => drop(outcome.context("the data folder cannot be written")?),
    }
    read_private(&path)
}

/// The configured secret, or the one that was made earlier.
pub(crate) fn existing_secret(config: &Config) -> anyhow::Result<Option<Secret>> {
    if let Some(secret) = &config.secret_key {
        return Ok(Some(Zeroizing::new(secret.expose_secret().as_bytes().to_vec())));
    }
    // The second is where it lay before files were known by their place.
    let places = [secret_file(config), file_of(config, config.database.url.expose_secret())];
    places.iter().find(|path| path.exists()).map(|path| read_private(path)).transpose()
}

/// Where the generated secret lies: named after its database, so that it is never tried on another.
///
/// A file in the data folder is known by its place there, so that the folder may be moved and
/// spelled as one likes; any other file by its full path, and a server's database by its address.
fn secret_file(config: &Config) -> PathBuf {
    let url = config.database.url.expose_secret();
    let file = sqlite_file(url).and_then(|file| whole_path(&file));
    let folder = fs::canonicalize(&config.data_dir).ok();
    let inside = match (&file, &folder) {
        (Some(file), Some(folder)) => file.strip_prefix(folder).ok(),
        _ => None,
    };
    match inside.or(file.as_deref()) {
        Some(path) => file_of(config, &path.display().to_string()),
        None => file_of(config, url),
    }
}

/// The path of a file without links and detours. One that is yet to be restored has the path that it will have.
fn whole_path(file: &Path) -> Option<PathBuf> {
    let to_come = || Some(fs::canonicalize(private::folder_of(file)).ok()?.join(file.file_name()?));
    fs::canonicalize(file).ok().or_else(to_come)
}

fn file_of(config: &Config, address: &str) -> PathBuf {
    let digest = base64url(&sha256(address.as_bytes())[..9]);
    config.data_dir.join(format!("secret-{digest}.key"))
}

fn read_private(path: &Path) -> anyhow::Result<Secret> {
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        if fs::metadata(path)?.permissions().mode() & 0o077 != 0 {
            bail!("other users can read {}: run `chmod 600` on it", path.display());
        }
    }
    let secret = Zeroizing::new(fs::read(path)?);
    if secret.len() < crate::config::SECRET_LENGTH_MIN {
        bail!("{} is incomplete: restore it from a backup", path.display());
    }
    Ok(secret)
}
