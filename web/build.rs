//! Builds the pages with npm and Vite, where there is Node, and writes a table of their files.
//!
//! `PORTCULLIS_WEB_BUILD`: `auto` (the default), `off` (no pages), or `require` (no pages are an
//! error). `PORTCULLIS_WEB_DIST`: a folder with pages that were built before.

use std::fmt::Write as _;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

/// What this script can fail with; what stands in the way of the pages is a `String` for people.
type Result<T = ()> = std::result::Result<T, Box<dyn std::error::Error>>;

/// What Vite takes.
const NODE: &str = "20.19 or newer of 20, or 22.12 or newer";
/// What the pages are made of. Never the folder itself: that has what the tests of the pages install.
const SOURCES: [&str; 13] = [
    "account/index.html",
    "account/package.json",
    "account/src",
    "package-lock.json",
    "package.json",
    "playground/index.html",
    "playground/package.json",
    "playground/src",
    "tsconfig.json",
    "ui/package.json",
    "ui/src",
    "vite.config.ts",
    "../clients/js/src",
];
/// The pages that a build must have.
const PAGES: [&str; 2] = ["account/index.html", "playground/index.html"];
/// npm and Vite take seconds; a registry that never answers must not hold a build up for longer.
const STEP_MAX: Duration = Duration::from_mins(5);

fn main() -> Result {
    println!("cargo::rerun-if-env-changed=PORTCULLIS_WEB_BUILD");
    println!("cargo::rerun-if-env-changed=PORTCULLIS_WEB_DIST");
    println!("cargo::rerun-if-changed=build.rs");
    for name in SOURCES {
        println!("cargo::rerun-if-changed={name}");
    }
    let out = PathBuf::from(variable("OUT_DIR").ok_or("cargo sets OUT_DIR")?);
    let mode = variable("PORTCULLIS_WEB_BUILD");
    let built = variable("PORTCULLIS_WEB_DIST").filter(|folder| !folder.is_empty());
    let pages = match (built, mode.as_deref()) {
        (Some(folder), _) => {
            println!("cargo::rerun-if-changed={folder}");
            Ok(PathBuf::from(folder))
        }
        (None, Some("off")) => Err("it was built with PORTCULLIS_WEB_BUILD=off".to_owned()),
        (None, None | Some("require" | "auto" | "")) => build(&out),
        (None, Some(_)) => return Err("PORTCULLIS_WEB_BUILD is auto, off or require".into()),
    };
    match pages {
        Ok(folder) => embed(&folder, &out),
        Err(reason) if mode.as_deref() == Some("require") => Err(reason.into()),
        Err(reason) => {
            if mode.as_deref() != Some("off") {
                println!("cargo::warning=the pages for browsers are not built in: {reason}");
            }
            let table = format!(
                "/// The files of the pages.\npub static FILES: &[File] = &[];\n/// Why there are none.\n\
                 pub const MISSING: Option<&str> = Some({reason:?});\n"
            );
            Ok(fs::write(out.join("files.rs"), table)?)
        }
    }
}

#[expect(clippy::disallowed_methods, reason = "a build script has no other settings")]
fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok()
}

/// Builds the pages from a copy, so that npm leaves nothing among the sources, and keeps none of what npm installed: a
/// quarter of a gigabyte, which npm has in its cache. In the copy the sources stand to each other as in the repository.
fn build(out: &Path) -> std::result::Result<PathBuf, String> {
    let told = |error: std::io::Error| error.to_string();
    let version = Command::new("node").arg("--version").output();
    let version = version.map_err(|_| format!("there is no Node ({NODE}) on the PATH"))?;
    let version = String::from_utf8_lossy(&version.stdout).trim().to_owned();
    if !is_new_enough(&version) {
        return Err(format!("Node is {version}, and must be {NODE}"));
    }
    let (root, folder) = (out.join("source"), out.join("dist"));
    clear(&root).map_err(told)?;
    for name in SOURCES {
        let (from, to) = match name.strip_prefix("../") {
            Some(elsewhere) => (name, root.join(elsewhere)),
            None => (name, root.join("web").join(name)),
        };
        copy_all(Path::new(from), &to).map_err(told)?;
    }
    let copy = root.join("web");
    let mut npm = Command::new(if cfg!(windows) { "npm.cmd" } else { "npm" });
    // What only the tests of the pages need, CI installs.
    npm.args(["ci", "--omit=dev", "--ignore-scripts", "--prefer-offline", "--no-audit"]);
    run("npm ci", npm.args(["--no-fund", "--loglevel=error"]).current_dir(&copy), out)?;
    let mut vite = Command::new("node");
    vite.args(["node_modules/vite/bin/vite.js", "build", "--emptyOutDir", "--outDir"]);
    run("vite build", vite.arg(&folder).current_dir(&copy), out)?;
    clear(&root).map_err(told)?;
    Ok(folder)
}

/// Removes a folder, if it is there.
fn clear(folder: &Path) -> std::io::Result<()> {
    match fs::remove_dir_all(folder) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

/// Copies a file, or a folder with all that is in it.
fn copy_all(from: &Path, to: &Path) -> std::io::Result<()> {
    if !from.is_dir() {
        to.parent().map_or(Ok(()), fs::create_dir_all)?;
        return fs::copy(from, to).map(drop);
    }
    for entry in fs::read_dir(from)? {
        let entry = entry?;
        copy_all(&entry.path(), &to.join(entry.file_name()))?;
    }
    Ok(())
}

fn is_new_enough(version: &str) -> bool {
    let mut numbers =
        version.trim_start_matches('v').split('.').map(|part| part.parse().unwrap_or(0));
    match (numbers.next().unwrap_or(0_u32), numbers.next().unwrap_or(0_u32)) {
        (20, minor) => minor >= 19,
        (22, minor) => minor >= 12,
        (major, _) => major > 22,
    }
}

/// Runs a step to its end, or for as long as it may take. What it complains of goes into a file, since a
/// pipe that nobody reads would stop it.
fn run(name: &str, command: &mut Command, out: &Path) -> std::result::Result<(), String> {
    let told = |error: std::io::Error| format!("{name}: {error}");
    let complaints = out.join("complaints");
    let stderr = File::create(&complaints).map_err(told)?;
    let command = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(stderr);
    let mut child = command.spawn().map_err(told)?;
    let began = Instant::now();
    while began.elapsed() < STEP_MAX {
        match child.try_wait().map_err(told)? {
            Some(status) if status.success() => return Ok(()),
            Some(_) => {
                let text = fs::read_to_string(&complaints).unwrap_or_default();
                let first = text.lines().find(|line| !line.trim().is_empty());
                return Err(format!("{name} failed: {}", first.unwrap_or("it says nothing")));
            }
            None => std::thread::sleep(Duration::from_millis(50)),
        }
    }
    child.kill().map_err(told)?;
    Err(format!("{name} took longer than five minutes"))
}

/// Writes the table of all files of a folder.
fn embed(folder: &Path, out: &Path) -> Result {
    let folder = folder
        .canonicalize()
        .map_err(|error| format!("PORTCULLIS_WEB_DIST, {}: {error}", folder.display()))?;
    let mut files = Vec::new();
    list(&folder, &folder, &mut files)?;
    files.sort();
    if let Some(page) = PAGES.iter().find(|page| !files.iter().any(|name| name == *page)) {
        return Err(format!("{} does not hold {page}", folder.display()).into());
    }
    let mut table = String::from("/// The files of the pages.\npub static FILES: &[File] = &[\n");
    for name in files {
        let path = folder.join(&name);
        let path = path.to_str().ok_or("a folder whose name is no text")?;
        let (name, is_gzip) = match name.strip_suffix(".gz") {
            Some(name) => (name, true),
            None => (name.as_str(), false),
        };
        writeln!(
            table,
            "    File {{ name: {name:?}, is_gzip: {is_gzip}, bytes: include_bytes!({path:?}) }},"
        )?;
    }
    table += "];\n/// Why there are none.\npub const MISSING: Option<&str> = None;\n";
    Ok(fs::write(out.join("files.rs"), table)?)
}

fn list(root: &Path, folder: &Path, files: &mut Vec<String>) -> Result {
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        if path.is_dir() {
            list(root, &path, files)?;
        } else {
            let name = path.strip_prefix(root)?.to_str().ok_or("a name that is no text")?;
            files.push(name.replace('\\', "/"));
        }
    }
    Ok(())
}
