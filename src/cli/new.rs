//! `portcullis new`: the starting point of an extension, made of the example that the tests run.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, bail, ensure};
use clap::Subcommand;

use super::output;
use crate::Server;
use crate::kernel::clock::Clock;
use crate::kernel::id;

/// With what is added to it, a name stands in columns of 64 letters.
const NAME_LENGTH_MAX: usize = 20;

/// The files of `examples/task-manager`, and where they stand in a new crate.
const FILES: &[(&str, &str)] = &[
    ("src/main.rs", include_str!("../../examples/task-manager/src/main.rs")),
    ("src/lib.rs", include_str!("../../examples/task-manager/src/lib.rs")),
    ("src/migration.rs", include_str!("../../examples/task-manager/src/migration.rs")),
    ("src/task.rs", include_str!("../../examples/task-manager/src/task.rs")),
    ("src/task/entity.rs", include_str!("../../examples/task-manager/src/task/entity.rs")),
    ("tests/policy.rs", include_str!("../../examples/task-manager/tests/api/policy.rs")),
];

/// How C libraries are built, which Cargo reads from the folder that it is called in.
const BUILD: (&str, &str) = (".cargo/config.toml", include_str!("../../.cargo/config.toml"));

#[derive(Subcommand)]
pub(super) enum Verb {
    /// Generate a crate with an entity of your own that runs as it is
    Entity {
        /// The entity's name in `snake_case`, as in `invoice`
        name: String,
        /// The plural of the name [default: the name with an s]
        #[arg(long)]
        plural: Option<String>,
        /// The folder with the source code of Portcullis
        #[arg(long, default_value = "portcullis")]
        portcullis: PathBuf,
    },
}

pub(super) fn run(verb: &Verb) -> anyhow::Result<()> {
    let Verb::Entity { name, plural, portcullis } = verb;
    let plural = plural.clone().unwrap_or_else(|| format!("{name}s"));
    for word in [name, &plural] {
        ensure!(is_free(word), "{word} is a keyword of Rust and cannot name a module");
        ensure!(
            is_name(word),
            "{word} must be a name in snake_case of at most {NAME_LENGTH_MAX} letters, as in `invoice` or \
             `purchase_order`"
        );
    }
    ensure!(*name != plural, "the name and its plural must differ: set --plural");
    ensure!(
        id::TYPES.find(name).is_none(),
        "the server already has ids that begin with {name}: choose another name"
    );
    if let Some(taken) = taken(&Server::new().sdl()?, name, &plural) {
        bail!("the schema of the server already has a type {taken}: choose another name");
    }
    ensure!(
        portcullis.join("schema.graphql").is_file(),
        "{} does not contain the source code of Portcullis: name its folder with --portcullis",
        portcullis.display()
    );
    let folder = PathBuf::from(&plural);
    if folder.exists() {
        bail!("{} already exists", folder.display());
    }
    let source = if portcullis.is_absolute() {
        portcullis.clone()
    } else {
        Path::new("..").join(portcullis)
    };
    let names = Names::of(name, &plural);
    let mut files = vec![
        ("Cargo.toml".to_owned(), manifest(&plural, &source)),
        (BUILD.0.to_owned(), BUILD.1.to_owned()),
    ];
    files.extend(FILES.iter().map(|(path, text)| (names.code(path), names.file(text))));
    for (path, text) in &files {
        let path = folder.join(path);
        let parent = path.parent().unwrap_or(&folder);
        fs::create_dir_all(parent)
            .with_context(|| format!("{} cannot be created", parent.display()))?;
        fs::write(&path, text).with_context(|| format!("{} cannot be written", path.display()))?;
    }
    // Only now: a reader who leaves early leaves a whole crate.
    for (path, _) in &files {
        output::line(folder.join(path).display().to_string())?;
    }
    output::line(format!(
        "\nRun `cd {plural}` and `cargo run` next. docs/how-to/extending.md describes the further steps."
    ))?;
    Ok(())
}

fn is_name(word: &str) -> bool {
    let is_letter =
        |letter: char| letter.is_ascii_lowercase() || letter.is_ascii_digit() || letter == '_';
    word.len() <= NAME_LENGTH_MAX
        && word.starts_with(|first: char| first.is_ascii_lowercase())
        && word.chars().all(is_letter)
        && !word.ends_with('_')
        && !word.contains("__")
}

/// Whether Rust lets a module have this name.
fn is_free(word: &str) -> bool {
    const KEYWORDS: &str = " as async await box break const continue crate dyn else enum extern false final fn for gen \
                            if impl in let loop macro match mod move mut override priv pub ref return self static \
                            struct super trait true try type typeof unsafe unsized use virtual where while yield ";
    !KEYWORDS.contains(&format!(" {word} "))
}

/// A type of the schema that has a name which the new crate would give to one of its own.
fn taken(sdl: &str, name: &str, plural: &str) -> Option<String> {
    const KEYWORDS: [&str; 6] = ["type", "enum", "input", "interface", "scalar", "union"];
    let declared = |line: &str| {
        let (keyword, rest) = line.split_once(' ')?;
        KEYWORDS.contains(&keyword).then(|| rest.split(' ').next().unwrap_or(rest).to_owned())
    };
    let (name, plural) = (pascal(name), pascal(plural));
    let new = [
        format!("{name}Connection"),
        format!("{name}Edge"),
        format!("Create{name}Input"),
        format!("Update{name}Input"),
        name,
        plural,
    ];
    sdl.lines().filter_map(declared).find(|declared| new.contains(declared))
}

fn manifest(plural: &str, source: &Path) -> String {
    let (name, source) = (plural.replace('_', "-"), source.display());
    format!(
        "[package]\n\
         name = \"{name}\"\n\
         version = \"0.1.0\"\n\
         edition = \"2024\"\n\
         publish = false\n\
         \n\
         # A workspace of its own, wherever it stands.\n\
         [workspace]\n\
         \n\
         [dependencies]\n\
         portcullis = {{ path = \"{source}\" }}\n\
         \n\
         [dev-dependencies]\n\
         portcullis-testing = {{ path = \"{source}/testing\" }}\n\
         tokio = {{ version = \"1.54\", features = [\"macros\", \"rt-multi-thread\"] }}\n"
    )
}

/// What takes the place of the example's names.
struct Names {
    code: Vec<(String, String)>,
    prose: Vec<(String, String)>,
}

impl Names {
    fn of(name: &str, plural: &str) -> Self {
        let date = Clock::system().now().format("m%Y%m%d").to_string();
        let replaced = |pairs: &[(&str, String)]| {
            pairs.iter().map(|(old, new)| ((*old).to_owned(), new.clone())).collect()
        };
        let cases = |name: &str, plural: &str| {
            [
                ("m20261128", date.clone()),
                ("task_manager", plural.to_owned()),
                ("task-manager", plural.replace('_', "-")),
                ("TaskManager", pascal(plural)),
                ("TASKS", plural.to_ascii_uppercase()),
                ("Tasks", pascal(plural)),
                ("tasks", plural.to_owned()),
                ("TASK", name.to_ascii_uppercase()),
                ("Task", pascal(name)),
                ("task", name.to_owned()),
            ]
        };
        let (words, several) = (name.replace('_', " "), plural.replace('_', " "));
        let article = if name.starts_with(['a', 'e', 'i', 'o', 'u']) { "n" } else { "" };
        let articles = [
            ("a task", format!("a{article} {words}")),
            ("A task", format!("A{article} {words}")),
            ("TASKS_", format!("{}_", plural.to_ascii_uppercase())),
            ("Tasks:", format!("{}:", capital(&several))),
        ];
        let prose = [&articles[..], &cases(&words, &several)[..]].concat();
        Self { code: replaced(&cases(name, plural)), prose: replaced(&prose) }
    }

    fn code(&self, text: &str) -> String {
        self.code.iter().fold(text.to_owned(), |text, (old, new)| text.replace(old, new))
    }

    fn prose(&self, text: &str) -> String {
        self.prose.iter().fold(text.to_owned(), |text, (old, new)| text.replace(old, new))
    }

    /// A file with its comments and messages.
    fn file(&self, text: &str) -> String {
        let line = |line: &str| {
            if line.trim_start().starts_with("//") {
                return self.prose(line);
            }
            let parts = line.split('"').enumerate().map(|(index, part)| {
                let is_message = index % 2 == 1 && part.contains(' ') && !part.contains('(');
                if is_message { self.prose(part) } else { self.code(part) }
            });
            parts.collect::<Vec<_>>().join("\"")
        };
        text.lines().map(|text| line(text) + "\n").collect()
    }
}

fn pascal(name: &str) -> String {
    name.split('_').map(capital).collect()
}

fn capital(word: &str) -> String {
    let (head, tail) = word.split_at(word.len().min(1));
    head.to_uppercase() + tail
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn code_gets_names_and_prose_gets_words() {
        let names = Names::of("annual_report", "annual_reports");
        assert_eq!(
            names.file("/// Makes a task, or TASKS_READ_ALL tasks.\npub TaskId = \"task\"; // x"),
            "/// Makes an annual report, or ANNUAL_REPORTS_READ_ALL annual reports.\n\
             pub AnnualReportId = \"annual_report\"; // x\n"
        );
        let call = names.file("ctx.change(\"create a task\", create).my_tasks(Tasks)");
        assert_eq!(
            call,
            "ctx.change(\"create an annual report\", create).my_annual_reports(AnnualReports)\n"
        );
        for (path, text) in FILES {
            let written = names.file(text).to_lowercase();
            assert!(!written.contains("task"), "{path}: {written}");
        }
    }

    #[test]
    fn a_name_is_no_word_of_rust_and_no_type_of_the_schema() {
        let sdl = Server::new().sdl().unwrap();
        for (name, of) in [
            ("query", Some("Query")),
            ("audit_event", Some("AuditEvent")),
            ("page_info", Some("PageInfo")),
            ("date_time", Some("DateTime")),
            ("invoice", None),
        ] {
            assert_eq!(taken(&sdl, name, &format!("{name}s")).as_deref(), of, "{name}");
        }
        assert!(is_free("invoice") && !is_free("type") && !is_free("box"));
    }

    #[test]
    fn a_name_can_be_a_module_and_a_column() {
        for (name, is) in [
            ("invoice", true),
            ("purchase_order", true),
            ("Invoice", false),
            ("_x", false),
            ("x_", false),
            ("a__b", false),
            ("", false),
            ("../x", false),
            ("a_name_of_21_letters_", false),
        ] {
            assert_eq!(is_name(name), is, "{name}");
        }
    }
}
