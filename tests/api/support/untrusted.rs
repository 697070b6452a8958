//! A server whose certificate is not good.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use tempfile::TempDir;

use super::servers::free_port;
use super::skip;

/// A server that does not listen after this long will not.
const START_MAX: Duration = Duration::from_secs(20);

/// Why a certificate is not good.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fault {
    /// It has signed itself.
    Own,
    /// It is of an authority that nobody knows.
    Issuer,
    Expired,
    /// It is for `other.example`.
    Name,
}

/// Speaks TLS. Ends when it is dropped.
pub(crate) struct UntrustedServer {
    pub(crate) port: u16,
    /// The certificate of the authority, where its clients know that.
    pub(crate) authority: Option<PathBuf>,
    process: Child,
    _folder: TempDir,
}

impl UntrustedServer {
    /// A server whose certificate has signed itself. `None`, with a word why, where OpenSSL is not installed.
    pub(crate) async fn start() -> Option<Self> {
        Self::start_with(Fault::Own).await
    }

    /// The same with another certificate. An expired one needs faketime to be made.
    pub(crate) async fn start_with(fault: Fault) -> Option<Self> {
        let folder = tempfile::tempdir().unwrap();
        if !make_certificate(folder.path(), fault) {
            skip("there is no openssl, or no faketime");
            return None;
        }
        let port = free_port();
        let process = Command::new("openssl")
            .args(["s_server", "-quiet", "-accept", &format!("127.0.0.1:{port}")])
            .args(["-key", "key", "-cert", "certificate"])
            .current_dir(folder.path())
            .stdin(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let is_known = matches!(fault, Fault::Expired | Fault::Name);
        let authority = is_known.then(|| folder.path().join("authority"));
        let server = Self { port, authority, process, _folder: folder };
        let began = Instant::now();
        while std::net::TcpStream::connect(("127.0.0.1", port)).is_err() {
            assert!(began.elapsed() < START_MAX, "openssl does not listen on {port}");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        Some(server)
    }
}

/// Makes a key and a certificate in a folder, with that of the authority; says whether that could be done.
fn make_certificate(folder: &Path, fault: Fault) -> bool {
    let run = |command: &str| {
        let mut words = command.split(' ');
        let mut command = Command::new(words.next().unwrap());
        let made = command.args(words).current_dir(folder).stderr(Stdio::null()).status();
        made.is_ok_and(|made| made.success())
    };
    let key = "-newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes";
    let own = "-subj /CN=localhost -addext subjectAltName=DNS:localhost -keyout key";
    if fault == Fault::Own {
        return run(&format!("openssl req -x509 {key} {own} -out certificate"));
    }
    let name = if fault == Fault::Name { "other.example" } else { "localhost" };
    std::fs::write(folder.join("names"), format!("subjectAltName=DNS:{name}\n")).unwrap();
    let clock = if fault == Fault::Expired { "faketime 2020-01-01 " } else { "" };
    let signed = "-CA authority -CAkey authority.key -set_serial 1 -days 30 -extfile names";
    run(&format!(
        "openssl req -x509 {key} -subj /CN=authority -keyout authority.key -out authority"
    )) && run(&format!("openssl req -new {key} -subj /CN=server -keyout key -out request"))
        && run(&format!("{clock}openssl x509 -req -in request {signed} -out certificate"))
}

impl Drop for UntrustedServer {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}
