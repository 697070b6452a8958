//! The documentation: its generated pages are fresh, its links lead somewhere, and its table of contents is whole.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Component, Path, PathBuf};
use std::process::{Command, Output};

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn reference(page: &str) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_portcullis"));
    command.args(["reference", page]).output().unwrap()
}

/// The pages that the program prints, as it lists them to whoever asks for another one.
fn printed_pages() -> Vec<String> {
    let refused = String::from_utf8(reference("nothing").stderr).unwrap();
    let (_, listed) = refused.split_once("[possible values: ").unwrap();
    let (listed, _) = listed.split_once(']').unwrap();
    listed.split(',').map(|page| page.trim().to_owned()).collect()
}

#[test]
fn generated_pages_are_fresh() {
    let pages = printed_pages();
    assert!(pages.len() > 3, "{pages:?}");
    for page in pages {
        let file = format!("docs/reference/{page}.md");
        let printed = reference(&page);
        assert!(printed.status.success(), "{printed:?}");
        let kept = fs::read(root().join(&file)).unwrap_or_default();
        assert!(
            kept == printed.stdout,
            "{file} is stale: run `cargo run -- reference {page} > {file}`"
        );
    }
}

/// The verbs of the command line without verbs of their own, below one or below none.
fn verbs(above: &str) -> Vec<String> {
    let mut command = Command::new(env!("CARGO_BIN_EXE_portcullis"));
    let help = command.args(above.split_whitespace()).arg("--help").output().unwrap().stdout;
    let help = String::from_utf8(help).unwrap();
    let Some((_, listed)) = help.split_once("\nCommands:\n") else { return vec![above.to_owned()] };
    let lines = listed.lines().take_while(|line| !line.is_empty());
    // What is further in belongs to the line before.
    let names = lines.filter_map(|line| line.strip_prefix("  ")?.split(' ').next());
    let below = names.filter(|name| !name.is_empty() && *name != "help");
    below.flat_map(|name| verbs(&format!("{above} {name}"))).collect()
}

#[test]
fn every_verb_is_documented() {
    let page = fs::read_to_string(root().join("docs/reference/command-line.md")).unwrap();
    let verbs = verbs("");
    assert!(verbs.len() > 20, "{verbs:?}");
    for verb in verbs {
        let row = format!("| `{}", verb.trim());
        assert!(page.contains(&format!("{row}` |")) || page.contains(&format!("{row} ")), "{verb}");
    }
}

/// All Markdown files below a folder, with their paths from the root of the repository.
fn collect(folder: &Path, pages: &mut BTreeMap<PathBuf, String>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_str().unwrap();
        // Of others, or made by a build.
        if path.is_dir() && !["node_modules", "target", "dist"].contains(&name) {
            collect(&path, pages);
        } else if path.extension().is_some_and(|extension| extension == "md") {
            let text = fs::read_to_string(&path).unwrap();
            pages.insert(path.strip_prefix(root()).unwrap().to_owned(), text);
        }
    }
}

fn pages() -> BTreeMap<PathBuf, String> {
    let mut pages = BTreeMap::new();
    for file in ["README.md", "CHANGELOG.md", "ARCHITECTURE.md"] {
        pages.insert(file.into(), fs::read_to_string(root().join(file)).unwrap());
    }
    for folder in ["docs", "examples", "benches", "clients", "fuzz"] {
        collect(&root().join(folder), &mut pages);
    }
    pages
}

/// A page without its fenced code.
fn prose(page: &str) -> String {
    let mut fence = None;
    let mut prose = String::new();
    for line in page.lines() {
        let start = line.trim_start();
        let ticks = start.len() - start.trim_start_matches('`').len();
        match fence {
            None if ticks >= 3 => fence = Some(ticks),
            None => {
                prose.push_str(line);
                prose.push('\n');
            }
            Some(open) if ticks >= open && start.trim_end().len() == ticks => fence = None,
            Some(_) => {}
        }
    }
    assert!(fence.is_none(), "a fence is never closed: {page}");
    prose
}

/// A text without its code spans.
fn without_code(text: &str) -> String {
    let mut left = text;
    let mut kept = String::new();
    while let Some(start) = left.find('`') {
        kept.push_str(&left[..start]);
        let open = &left[start..];
        let inside = open.trim_start_matches('`');
        let ticks = &open[..open.len() - inside.len()];
        let end = inside.find(ticks).map_or(inside.len(), |end| end + ticks.len());
        left = &inside[end..];
    }
    kept + left
}

/// Where the links and images of a text lead.
fn targets(text: &str) -> Vec<String> {
    let text = without_code(text);
    let inline = text.split("](").skip(1).filter_map(|rest| rest.split([')', ' ']).next());
    let defined = text.lines().filter_map(|line| {
        let (name, target) = line.strip_prefix('[')?.split_once("]: ")?;
        (!name.contains(']')).then(|| target.split(' ').next().unwrap())
    });
    inline.chain(defined).map(str::to_owned).collect()
}

/// The anchors of a page, as GitHub and mdBook make them of its headings.
fn anchors(page: &str) -> BTreeSet<String> {
    let mut counts: BTreeMap<String, usize> = BTreeMap::new();
    let mut anchors = BTreeSet::new();
    for line in prose(page).lines() {
        let title = line.trim_start_matches('#');
        if title.len() == line.len() || !title.starts_with(' ') {
            continue;
        }
        let slug: String = words_of(title.trim())
            .to_lowercase()
            .chars()
            .filter(|c| c.is_alphanumeric() || [' ', '-', '_'].contains(c))
            .map(|c| if c == ' ' { '-' } else { c })
            .collect();
        let count = counts.entry(slug.clone()).or_default();
        anchors.insert(if *count == 0 { slug } else { format!("{slug}-{count}") });
        *count += 1;
    }
    anchors
}

/// A heading without the targets of its links.
fn words_of(title: &str) -> String {
    let mut parts = title.split("](");
    let first = parts.next().unwrap_or_default().to_owned();
    parts.fold(first, |words, part| words + part.split_once(')').map_or("", |(_, rest)| rest))
}

/// A path without `.` and `..`, as seen from the root; `None` for one that leaves it.
fn resolved(path: &Path) -> Option<PathBuf> {
    let mut resolved = PathBuf::new();
    for component in path.components() {
        match component {
            Component::ParentDir => resolved.pop().then_some(())?,
            Component::Normal(name) => resolved.push(name),
            Component::CurDir => {}
            Component::RootDir | Component::Prefix(_) => return None,
        }
    }
    Some(resolved)
}

/// Why a link leads nowhere, if it does.
fn flaw(pages: &BTreeMap<PathBuf, String>, from: &Path, target: &str) -> Option<&'static str> {
    if target.contains("://") || target.starts_with("mailto:") {
        return None;
    }
    let (path, anchor) = target.split_once('#').unwrap_or((target, ""));
    let place = match path {
        "" => Some(from.to_owned()),
        path => resolved(&from.parent().unwrap().join(path)),
    };
    let Some(place) = place else { return Some("leads out of the repository") };
    if !root().join(&place).exists() {
        return Some("leads to no file");
    }
    let is_missing = match pages.get(&place) {
        Some(page) => !anchor.is_empty() && !anchors(page).contains(anchor),
        None => !anchor.is_empty(),
    };
    is_missing.then_some("leads to no heading")
}

#[test]
fn every_link_leads_to_a_file_and_to_a_heading() {
    let pages = pages();
    let mut flaws = Vec::new();
    for (from, page) in &pages {
        for target in targets(&prose(page)) {
            if let Some(flaw) = flaw(&pages, from, &target) {
                flaws.push(format!("{}: {target} {flaw}", from.display()));
            }
        }
    }
    assert!(flaws.is_empty(), "{}", flaws.join("\n"));
}

#[test]
fn every_page_is_in_the_table_of_contents_and_no_other() {
    let pages = pages();
    let summary = Path::new("docs/SUMMARY.md");
    let listed = targets(&prose(&pages[summary])).into_iter();
    let listed: Vec<_> = listed.map(|target| Path::new("docs").join(target)).collect();
    let unique: BTreeSet<_> = listed.iter().cloned().collect();
    assert_eq!(listed.len(), unique.len(), "a page is listed twice");
    let kept = pages.into_keys().filter(|path| path.starts_with("docs") && path != summary);
    let kept: BTreeSet<_> = kept.collect();
    let unlisted: Vec<_> = kept.difference(&unique).collect();
    let missing: Vec<_> = unique.difference(&kept).collect();
    assert!(unlisted.is_empty(), "docs/SUMMARY.md does not list {unlisted:?}");
    assert!(missing.is_empty(), "docs/SUMMARY.md lists {missing:?}");
}

#[test]
fn links_and_headings_are_found_as_readers_find_them() {
    let page = "# A `b` & C\n\n## The same\n\n[x](a.md) `[no](b.md)` [`y`](c/d.md#e \"t\")\n\n```sh\n# no\n[no](c)\n```\n\n\
        ## The same\n\n### [Link](x.md)s, don't\n\n[z]: https://example.com\n";
    let found: Vec<_> = targets(&prose(page));
    assert_eq!(found, ["a.md", "c/d.md#e", "x.md", "https://example.com"]);
    let anchors: Vec<_> = anchors(page).into_iter().collect();
    assert_eq!(anchors, ["a-b--c", "links-dont", "the-same", "the-same-1"]);
    assert_eq!(resolved(Path::new("docs/a/../b.md")), Some("docs/b.md".into()));
    assert_eq!(resolved(Path::new("docs/../../b.md")), None);
}
