//! Files and variables that the operator gives: whatever they are, a command ends and says which.

use std::ffi::OsStr;
use std::fs;
use std::path::Path;
use std::process::{Command, Output, Stdio};
use std::sync::mpsc;
use std::time::Duration;

use portcullis::cli;
use portcullis::config::Config;

const SECRET: &str = "mUo2J6gkq4JvYV7r1nqDWHc0bE8sXz5tLhPa9f3R";

/// Runs the binary in `folder` with nothing but these variables; one that hangs fails the test.
fn run(folder: &Path, arguments: &[&str], variables: &[(&str, &OsStr)]) -> Output {
    let process = Command::new(env!("CARGO_BIN_EXE_portcullis"))
        .args(arguments)
        .env_clear()
        .envs(variables.iter().copied())
        .current_dir(folder)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let (sender, ended) = mpsc::channel();
    // Beside, since a process that has more to say than a pipe holds waits for its reader.
    std::thread::spawn(move || sender.send(process.wait_with_output()));
    let output = ended.recv_timeout(Duration::from_mins(1));
    output.unwrap_or_else(|_| panic!("{arguments:?} hangs")).unwrap()
}

fn said(output: &Output) -> String {
    [&output.stdout[..], &output.stderr[..]].map(String::from_utf8_lossy).concat()
}

/// What can stand where a text file should, and what is said of it.
#[cfg(unix)]
fn wrong_files(folder: &Path) -> Vec<(std::path::PathBuf, &'static str)> {
    let place = |name: &str| folder.join(name);
    fs::create_dir(place("folder")).unwrap();
    assert!(Command::new("mkfifo").arg(place("fifo")).status().unwrap().success());
    fs::write(place("long"), vec![b'a'; 70_000]).unwrap();
    fs::write(place("latin"), b"A=1\nB=\xFCber\n").unwrap();
    fs::write(place("bom"), b"\xEF\xBB\xBFPASSWORD_MIN_LENGTH=9\n").unwrap();
    fs::write(place("utf16"), b"\xFF\xFEP\0A\0").unwrap();
    fs::write(place("utf16-bare"), b"P\0A\0").unwrap();
    fs::write(place("bom-later"), b"A=1\n\n\xEF\xBB\xBFB=2\n").unwrap();
    fs::write(place("bom-inside"), b"A=1\nB=\xEF\xBB\xBF2\n").unwrap();
    fs::write(place("utf16-later"), b"A=1\n\xFF\xFEB\0=\x002\0\n\0").unwrap();
    fs::write(place("utf16-bare-later"), b"A=1\n\0B\0=\x002\0\n").unwrap();
    fs::write(place("nul"), b"A=1\nB=some\0thing longer\n").unwrap();
    std::os::unix::fs::symlink(place("loop"), place("loop")).unwrap();
    std::os::unix::fs::symlink(place("nowhere"), place("dangling")).unwrap();
    let file = "must be a regular file";
    vec![
        (place("folder"), file),
        (place("fifo"), file),
        ("/dev/zero".into(), file),
        (place("long"), "must not exceed 64 KiB"),
        (place("latin"), "is not text in UTF-8 in line 2"),
        (place("bom"), "has a byte order mark in line 1"),
        (place("bom-later"), "has a byte order mark in line 3"),
        (place("bom-inside"), "has a byte order mark in line 2"),
        (place("utf16"), "is UTF-16 from line 1 on"),
        (place("utf16-bare"), "is UTF-16 from line 1 on"),
        (place("utf16-later"), "is UTF-16 from line 2 on"),
        (place("utf16-bare-later"), "is UTF-16 from line 2 on"),
        (place("nul"), "is not text in UTF-8 in line 2"),
        (place("loop"), "cannot be read"),
        (place("dangling"), "cannot be read"),
    ]
}

#[cfg(unix)]
#[test]
fn whatever_env_is_a_command_ends_and_says_so() {
    let folder = tempfile::tempdir().unwrap();
    for (file, told) in wrong_files(folder.path()) {
        let beside = tempfile::tempdir().unwrap();
        std::os::unix::fs::symlink(&file, beside.path().join(".env")).unwrap();
        let output = run(beside.path(), &["schema"], &[]);
        let said = said(&output);
        assert_eq!(output.status.code(), Some(2), "{file:?}");
        assert!(said.contains(&format!(".env {told}")), "{file:?}: {said}");
    }
}

#[test]
fn a_malformed_line_of_env_is_named_and_not_repeated() {
    let folder = tempfile::tempdir().unwrap();
    for (text, told) in [
        ("LISTEN=127.0.0.1:0\n\nSECRET_KEY zanzibar\n", "line 3"),
        ("# one\nSECRET_KEY='zanzibar\n\n", "line 2"),
        ("LISTEN=127.0.0.1:0\r\n=zanzibar\r\n", "line 2"),
        ("SECRET_KYE=zanzibar\n", "SECRET_KYE is not a setting: did you mean SECRET_KEY?"),
        ("UNHEARD_OF=zanzibar\n", "UNHEARD_OF is not a setting"),
        ("HST=zanzibar\n", "HST is not a setting: did you mean HSTS?"),
        ("DATADIR=zanzibar\n", "DATADIR is not a setting: did you mean DATA_DIR?"),
    ] {
        fs::write(folder.path().join(".env"), text).unwrap();
        let output = run(folder.path(), &["schema"], &[]);
        let said = said(&output);
        assert_eq!(output.status.code(), Some(2), "{text}");
        assert!(said.contains(told) && !said.contains("zanzibar"), "{text}: {said}");
    }
}

#[test]
fn a_variable_one_letter_off_a_setting_is_no_setting() {
    let folder = tempfile::tempdir().unwrap();
    let value = OsStr::new("zanzibar");
    for (name, meant) in [
        ("SECRET_KYE", "SECRET_KEY"),
        ("DATABASE_ULR", "DATABASE_URL"),
        ("TRUSTED_PROXY", ""),
        ("ALLOWED_ORIGIN", "ALLOWED_ORIGINS"),
        ("REDIS_URI", "REDIS_URL"),
        ("PORTCULLIS_EVN", "PORTCULLIS_ENV"),
        ("HST", "HSTS"),
        ("HSTSS", "HSTS"),
        ("HTSS", "HSTS"),
        ("LISTN", "LISTEN"),
        ("DATADIR", "DATA_DIR"),
        ("DATA__DIR", "DATA_DIR"),
        ("DATABASEURL", "DATABASE_URL"),
        ("RUSTLOG", "RUST_LOG"),
        ("ACCESSTOKENTTLSECONDS", "ACCESS_TOKEN_TTL_SECONDS"),
        ("_SECRET_KEY_", "SECRET_KEY"),
        ("SECRET-KEY", "SECRET_KEY"),
        ("secret_key", "SECRET_KEY"),
        ("Data_Dir", "DATA_DIR"),
    ] {
        let output = run(folder.path(), &["schema"], &[(name, value)]);
        let said = said(&output);
        assert_eq!(output.status.success(), meant.is_empty(), "{name}");
        assert!(
            meant.is_empty()
                || said.contains(&format!("{name} is not a setting: did you mean {meant}?"))
        );
        assert!(!said.contains("zanzibar"), "{said}");
    }
    // What shells, systemd, containers and platforms set.
    let others = "HOST HOSTS HOSTNAME USER TERM PATH HOME SHELL LANG LISTEN_FDS LISTEN_PID LISTEN_FDNAMES \
        PORT PWD OLDPWD TZ TMPDIR LOGNAME MAIL MAILTO EDITOR PAGER SHLVL DISPLAY COLUMNS LINES DATA DIR \
        XDG_DATA_DIR XDG_DATA_DIRS DB_URL SMTP_HOST SMTP_FROM REDIS_HOST JWT_SECRET RUST_BACKTRACE \
        LOG_LEVEL INVOCATION_ID JOURNAL_STREAM NOTIFY_SOCKET HISTSIZE PS1 _ HTTPS HTTP_PROXY NODE_ENV \
        KUBERNETES_PORT LISTENER URL SECRET KEY ENV DEBUG CI listen registration playground host";
    let others: Vec<_> = others.split_whitespace().map(|name| (name, value)).collect();
    let output = run(folder.path(), &["schema"], &others);
    assert!(output.status.success(), "{}", said(&output));
    // What Kubernetes sets beside a service of that name.
    for name in ["PORTCULLIS_PORT", "PORTCULLIS_PORT_8000_TCP_ADDR", "PORTCULLIS_SERVICE_HOST"] {
        assert!(run(folder.path(), &["schema"], &[(name, value)]).status.success(), "{name}");
    }
    // Where the setting is there too, the other name is meant for another program.
    let both = [("REDIS_URI", value), ("REDIS_URL", OsStr::new("redis://127.0.0.1:1"))];
    assert!(run(folder.path(), &["schema"], &both).status.success());
}

#[cfg(unix)]
#[test]
fn whatever_the_file_of_a_secret_is_it_is_refused_by_name() {
    let folder = tempfile::tempdir().unwrap();
    for (file, told) in wrong_files(folder.path()) {
        for name in ["DATABASE_URL", "SECRET_KEY", "SECRET_KEY_PREVIOUS", "REDIS_URL", "SMTP_URL"] {
            let flag = name.to_ascii_lowercase().replace('_', "-");
            let flags = [format!("--{flag}-file={}", file.display())];
            let problems = Config::new(&cli::settings(&flags).unwrap()).unwrap_err().0;
            let is_told = problems.iter().any(|told_| *told_ == expected(name, told, told_));
            assert!(is_told, "{name}, {file:?}: {problems:?}");
        }
    }
}

/// The problem that begins so.
#[cfg(unix)]
fn expected(name: &str, told: &str, found: &str) -> String {
    let beginning = format!("{name}_FILE {told}");
    if found.starts_with(&beginning) { found.to_owned() } else { beginning }
}

#[test]
fn an_empty_variable_is_one_that_is_not_set() {
    let folder = tempfile::tempdir().unwrap();
    let names = cli::setting_names();
    let empty: Vec<(&str, &OsStr)> =
        names.iter().map(|name| (name.as_str(), OsStr::new(""))).collect();
    let output = run(folder.path(), &["doctor"], &empty);
    let told = said(&output);
    assert!(output.status.success() && told.contains("PASSWORD_MIN_LENGTH is 8"), "{told}");
    // So it hides nothing of what `.env` says, and an empty one there says nothing.
    fs::write(folder.path().join(".env"), "PASSWORD_MIN_LENGTH=11\nJWT_ISSUER=\n").unwrap();
    let told = said(&run(folder.path(), &["doctor"], &empty));
    assert!(told.contains("PASSWORD_MIN_LENGTH is 11"), "{told}");
    let told = said(&run(folder.path(), &["doctor"], &[]));
    assert!(told.contains("PASSWORD_MIN_LENGTH is 11") && !told.contains("JWT_ISSUER"), "{told}");
}

#[test]
fn a_data_folder_and_a_database_lie_where_they_are_said_to() {
    let names = [
        "a%20b",
        "a b",
        "a?b",
        "a?mode=ro",
        "a#b",
        "100%",
        "%41",
        "ä",
        "a:memory:b",
        "mode=memory",
        "file:x",
        "a&b=c+d",
        "-x",
        "a'b\"c",
    ];
    for (name, is_relative) in names.into_iter().flat_map(|name| [(name, true), (name, false)]) {
        let folder = tempfile::tempdir().unwrap();
        let data = folder.path().join(name);
        let given = if is_relative { Path::new(name) } else { &data };
        // The second finds what the first has made.
        for verb in [["migrate", "up"], ["keys", "list"]] {
            let output = run(folder.path(), &verb, &[("DATA_DIR", given.as_os_str())]);
            assert!(output.status.success(), "{given:?}: {}", said(&output));
        }
        assert!(data.join("portcullis.db").is_file(), "{given:?}");
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1, "{given:?}");
        assert_eq!(fs::read_dir(&data).unwrap().count(), 2, "{given:?}");
    }
}

#[test]
fn the_path_in_a_database_url_is_unescaped_once() {
    for (written, name) in [
        ("a b", "a b"),
        ("a%20b", "a b"),
        ("a%2520b", "a%20b"),
        ("a%3Fb", "a?b"),
        ("a#b", "a#b"),
        ("100%25", "100%"),
        ("file:x", "file:x"),
        ("./file%3Ax", "file:x"),
        ("%C3%A4", "ä"),
    ] {
        let folder = tempfile::tempdir().unwrap();
        let url = format!("sqlite://{written}.db");
        let variables = [("DATABASE_URL", OsStr::new(&url)), ("SECRET_KEY", OsStr::new(SECRET))];
        let output = run(folder.path(), &["migrate", "up"], &variables);
        let is_there = folder.path().join(format!("{name}.db")).is_file();
        assert!(output.status.success() && is_there, "{url}: {}", said(&output));
    }
    for bad in ["sqlite://%FF.db", "sqlite://x.db?mode=zanzibar"] {
        let folder = tempfile::tempdir().unwrap();
        let output = run(folder.path(), &["purge"], &[("DATABASE_URL", OsStr::new(bad))]);
        let said = said(&output);
        assert!(said.contains("DATABASE_URL is not valid"), "{bad}: {said}");
    }
}

#[cfg(target_os = "linux")]
#[test]
fn a_data_folder_that_the_database_cannot_lie_in_is_refused() {
    use std::os::unix::ffi::OsStrExt;

    let folder = tempfile::tempdir().unwrap();
    let name = OsStr::from_bytes(b"a\xFFb");
    let output = run(folder.path(), &["purge"], &[("DATA_DIR", name)]);
    assert!(said(&output).contains("DATA_DIR must be text in UTF-8"), "{}", said(&output));
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
}

#[cfg(unix)]
#[test]
fn a_database_behind_a_link_is_as_private_as_any() {
    use std::os::unix::fs::{PermissionsExt, symlink};

    let folder = tempfile::tempdir().unwrap();
    let place = |name: &str| folder.path().join(name);
    fs::create_dir_all(place("data")).unwrap();
    symlink("../second", place("data").join("portcullis.db")).unwrap();
    symlink(place("real.db"), place("second")).unwrap();
    let output = run(folder.path(), &["migrate", "up"], &[]);
    assert!(output.status.success(), "{}", said(&output));
    let mode = fs::metadata(place("real.db")).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
}
