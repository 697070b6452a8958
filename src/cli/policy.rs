//! `portcullis policy`: the rules of a federated graph, of which Portcullis is one subgraph.

mod federation;
mod rule;
mod sdl;
mod subgraph;

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use clap::Subcommand;
use serde_json::json;

use self::rule::ANYBODY;
use self::sdl::Sdl;
use self::subgraph::Subgraph;
use super::output::{self, Level};
use crate::graphql::policy::Policy;

/// What Portcullis is called among subgraphs.
const OWN: &str = "portcullis";

#[derive(Subcommand)]
pub(super) enum Verb {
    /// Print the rule of each root field of a graph. Fails if a subgraph has a root field without a rule
    Check {
        /// The SDL files of the other subgraphs, one per subgraph
        #[arg(required = true, value_name = "FILE")]
        files: Vec<PathBuf>,
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
}

/// A root field, as one subgraph has it.
struct RootField {
    /// As in `Query.users`.
    name: String,
    /// The file, as it was named.
    subgraph: String,
    /// Where a file declares it.
    line: Option<usize>,
    /// In words, which are the same for the same rule; `None` where nothing is stated.
    rule: Option<String>,
}

impl RootField {
    fn place(&self) -> String {
        match self.line {
            Some(line) => format!("{}:{line}", self.subgraph),
            None => self.subgraph.clone(),
        }
    }
}

/// What is to be said of a file.
struct Finding {
    level: Level,
    file: String,
    line: usize,
    message: String,
    advice: String,
}

/// The graph that is composed of Portcullis and other subgraphs.
struct Graph {
    /// By their names.
    fields: Vec<RootField>,
    findings: Vec<Finding>,
}

pub(super) fn run(verb: &Verb, own: &Policy) -> anyhow::Result<()> {
    let Verb::Check { files, json } = verb;
    let files = files.iter().map(|file| Sdl::read(file)).collect::<anyhow::Result<Vec<_>>>()?;
    let graph = Graph::of(own, &files);
    let printed = if *json { print_json(&graph) } else { print(&graph) };
    output::verdict(graph.findings.iter().map(|finding| finding.level), printed)
}

impl Graph {
    fn of(own: &Policy, files: &[Sdl]) -> Self {
        let own = own.roots().into_iter().map(|field| RootField {
            rule: Some(rule::own(&field)),
            name: field.name,
            subgraph: OWN.to_owned(),
            line: None,
        });
        let mut graph = Self { fields: own.collect(), findings: Vec::new() };
        let mut type_rules = Vec::new();
        for sdl in files {
            let subgraph = Subgraph::read(sdl);
            graph.fields.extend(subgraph.fields);
            graph.findings.extend(subgraph.findings);
            let of_file = subgraph.type_rules.into_iter();
            type_rules.extend(of_file.map(|(root, line)| (root, sdl.file.as_str(), line)));
        }
        graph.fields.sort_by(|a, b| a.name.cmp(&b.name));
        for (root, file, line) in type_rules {
            graph.warn_of_type(root, file, line);
        }
        graph.compare();
        graph
    }

    /// Composition makes one type of a root type in several subgraphs, with the rules of all, and a router asks for
    /// them before any of its fields.
    fn warn_of_type(&mut self, root: &str, file: &str, line: usize) {
        let is_shut = |field: &&RootField| {
            let of = field.name.split_once('.').map(|(of, _)| of);
            of == Some(root) && field.subgraph != file && field.rule.as_deref() == Some(ANYBODY)
        };
        let Some(shut) = self.fields.iter().find(is_shut) else { return };
        let message = format!(
            "the rule at the type {root} applies to every {root} field of the graph, including {} in {}, which \
             anybody may call",
            shut.name,
            shut.place()
        );
        let advice = "state the rule at each field instead".to_owned();
        let (level, file) = (Level::Warning, file.to_owned());
        self.findings.push(Finding { level, file, line, message, advice });
    }

    /// Tells of fields that have different rules in different subgraphs.
    fn compare(&mut self) {
        let mut groups: BTreeMap<&str, Vec<&RootField>> = BTreeMap::new();
        for field in self.fields.iter().filter(|field| field.rule.is_some()) {
            groups.entry(&field.name).or_default().push(field);
        }
        let different = groups.into_iter().filter_map(|(name, fields)| {
            let rules: BTreeSet<_> = fields.iter().map(|field| &field.rule).collect();
            let last = fields.last().filter(|_| rules.len() > 1)?;
            let rules = fields.iter().map(|field| {
                format!("{} ({})", field.rule.as_deref().unwrap_or_default(), field.place())
            });
            let rules = rules.collect::<Vec<_>>().join(", ");
            Some(Finding {
                level: Level::Problem,
                file: last.subgraph.clone(),
                line: last.line.unwrap_or(1),
                message: format!("{name} has different rules: {rules}"),
                advice: "state the same rule everywhere: composition joins different rules by AND since November 2025, \
                         and joined scopes or policies by OR before"
                    .to_owned(),
            })
        });
        let different: Vec<_> = different.collect();
        self.findings.extend(different);
    }
}

fn print(graph: &Graph) -> anyhow::Result<()> {
    let row = |field: &RootField| {
        let rule = field.rule.as_deref().unwrap_or("none stated");
        [field.name.clone(), field.subgraph.clone(), rule.to_owned()]
    };
    let rows: Vec<_> = graph.fields.iter().map(row).collect();
    output::table(["FIELD", "SUBGRAPH", "RULE"], &rows)?;
    output::line("")?;
    for Finding { level, file, line, message, advice } in &graph.findings {
        output::finding(*level, &format!("{file}:{line}"), message, Some(advice))?;
    }
    if graph.is_ok() {
        output::line("every root field states who may use it")?;
    }
    Ok(())
}

impl Graph {
    fn is_ok(&self) -> bool {
        self.findings.iter().all(|finding| finding.level < Level::Problem)
    }
}

fn print_json(graph: &Graph) -> anyhow::Result<()> {
    let fields = graph.fields.iter().map(|RootField { name, subgraph, line, rule }| {
        json!({ "field": name, "subgraph": subgraph, "line": line, "rule": rule })
    });
    let findings = graph.findings.iter().map(|Finding { level, file, line, message, advice }| {
        json!({
            "level": level.into_str(), "file": file, "line": line, "message": message, "advice": advice,
        })
    });
    output::json(&json!({
        "ok": graph.is_ok(),
        "fields": fields.collect::<Vec<_>>(),
        "findings": findings.collect::<Vec<_>>(),
    }))
}
