//! Dependencies point one way, and the few things that must stay in one place are there and nowhere else.
//!
//! The sources are read as text: comments, string literals and test code aside, whatever names a module of this crate
//! or a foreign crate in a path counts, in a `use` or anywhere else.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

/// Every module, from the bottom up. A module may name those of its own layer and of the layers before it.
const LAYERS: [(&str, &[&str]); 7] = [
    (
        "vocabulary",
        &[
            "capture",
            "cgroup",
            "checker",
            "decimal",
            "evidence",
            "job",
            "language",
            "limits",
            "network",
            "process",
            "plan",
            "points",
            "printable",
            "protocol",
            "rejection",
            "report",
            "sha256",
            "strict_toml",
            "trace",
            "verdict",
            "whole",
        ],
    ),
    (
        "edges",
        &[
            "aws",
            "config",
            "crash",
            "health",
            "instance",
            "metrics",
            "queue",
            "retry",
            "sandbox",
            "shutdown",
            "steps",
            "store",
            "telemetry",
        ],
    ),
    ("execution", &["answer", "execute"]),
    ("pipeline", &["pipeline"]),
    ("worker", &["worker"]),
    ("simulation", &["simulate"]),
    ("commands", &["cli", "command", "docs", "doctor", "schema", "selftest"]),
];

/// What a vocabulary module has no business with: I/O, clocks, the engine, the queue, async.
const NOT_IN_VOCABULARY: [&str; 13] = [
    "aws_config",
    "aws_sdk_s3",
    "aws_sdk_sqs",
    "backoff",
    "bollard",
    "clap",
    "futures_util",
    "tokio",
    "tokio_util",
    "tracing",
    "std::fs",
    "std::net",
    "std::process",
];

/// Foreign crates that are known in one place only, so that they can be replaced there.
const ONE_PLACE: [(&str, &str); 12] = [
    ("aws_sdk_autoscaling", "instance"),
    ("aws_sdk_s3", "store"),
    ("aws_sdk_sqs", "aws queue"),
    ("aws_config", "instance queue store"),
    ("bollard", "sandbox"),
    ("backoff", "retry"),
    ("tracing_subscriber", "config telemetry"),
    ("indicatif", "command"),
    ("clap_complete", "cli command"),
    ("prometheus_client", "metrics"),
    ("hyper", "health"),
    ("hyper_util", "health"),
];

/// All of this crate that the agent is built from.
const AGENT_USES: [&str; 4] = ["cgroup", "network", "process", "protocol"];

const LONGEST_FILE: usize = 500;

struct Source {
    /// Relative to `src`.
    path: PathBuf,
    /// The top-level module, as `sandbox` for `sandbox/live.rs`; `bin`, `lib` and `main` for what is none.
    module: String,
    /// How many `super`s lead from here to the crate's root.
    depth: usize,
    text: String,
}

impl Source {
    /// Without comments, string literals and test code.
    fn code(&self) -> String {
        let text = if self.path.ends_with("tests.rs") {
            ""
        } else {
            self.text.split("#[cfg(test)]\nmod ").next().unwrap_or("")
        };
        // `#[cfg(test)]\n#[path = …]\nmod tests;` is a declaration and no code.
        bare(text)
    }
}

/// Every source file, and at least as many as there surely are.
fn sources() -> Vec<Source> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut folders = vec![root.clone()];
    let mut sources = Vec::new();
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(&folder).expect("a folder of sources can be read") {
            let path = entry.expect("its entries can be read").path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                let text = std::fs::read_to_string(&path).expect("a source is text");
                let path = path.strip_prefix(&root).expect("it is inside").to_owned();
                let first = path.components().next().expect("it has a name");
                let module = Path::new(first.as_os_str()).with_extension("").to_string_lossy().into_owned();
                sources.push(Source { module, depth: path.components().count(), path, text });
            }
        }
    }
    assert!(sources.len() > 80, "only {} sources were found", sources.len());
    sources
}

/// Rust text without its comments and string literals; good enough for formatted code.
fn bare(text: &str) -> String {
    let mut bare = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(next) = rest.chars().next() {
        let skipped = if rest.starts_with("//") {
            rest.find('\n').unwrap_or(rest.len())
        } else if let Some(raw) = rest.strip_prefix("r#\"") {
            raw.find("\"#").map_or(rest.len(), |end| end + 5)
        } else if next == '"' {
            string_length(rest)
        } else if rest.starts_with("'\"'") || rest.starts_with("b'\"'") {
            rest.find("'\"'").map_or(0, |start| start + 3)
        } else {
            bare.push(next);
            next.len_utf8()
        };
        rest = &rest[skipped..];
    }
    bare
}

/// The length of a literal that begins with its quote.
fn string_length(text: &str) -> usize {
    let mut escaped = false;
    for (at, letter) in text.char_indices().skip(1) {
        match letter {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            '"' => return at + 1,
            _ => {}
        }
    }
    text.len()
}

fn is_word(letter: char) -> bool {
    letter.is_ascii_alphanumeric() || letter == '_'
}

fn word(text: &str) -> &str {
    &text[..text.find(|letter| !is_word(letter)).unwrap_or(text.len())]
}

/// The names that follow `path::`, those in braces (`path::{a, b::c}`) included.
fn names_after(code: &str, path: &str) -> BTreeSet<String> {
    let start = format!("{path}::");
    let mut names = BTreeSet::new();
    for (at, _) in code.match_indices(&start) {
        let before = code[..at].chars().next_back();
        if before.is_some_and(|letter| is_word(letter) || letter == ':') {
            continue;
        }
        let rest = &code[at + start.len()..];
        match rest.strip_prefix('{') {
            Some(group) => names.extend(group_names(group)),
            None => drop(names.insert(word(rest).to_owned())),
        }
    }
    names
}

/// The first names of the entries of a brace group whose opening brace is behind us.
fn group_names(group: &str) -> Vec<String> {
    let (mut names, mut depth, mut is_start) = (Vec::new(), 0, true);
    for (at, letter) in group.char_indices() {
        match letter {
            '{' => depth += 1,
            '}' if depth == 0 => break,
            '}' => depth -= 1,
            ',' if depth == 0 => is_start = true,
            _ if depth == 0 && is_start && is_word(letter) => {
                names.push(word(&group[at..]).to_owned());
                is_start = false;
            }
            _ => {}
        }
    }
    names
}

/// Whether the code names something by this path.
fn names_path(code: &str, path: &str) -> bool {
    match path.rsplit_once("::") {
        Some((outer, name)) => names_after(code, outer).contains(name),
        None => !names_after(code, path).is_empty() || code.contains(&format!("use {path};")),
    }
}

fn layers() -> BTreeMap<&'static str, usize> {
    let numbered = LAYERS.iter().enumerate();
    numbered.flat_map(|(number, (_, modules))| modules.iter().map(move |module| (*module, number))).collect()
}

/// The crate's own modules that a source names.
fn uses(source: &Source, code: &str) -> BTreeSet<String> {
    let mut names = names_after(code, "crate");
    names.extend(names_after(code, &vec!["super"; source.depth].join("::")));
    names.retain(|name| layers().contains_key(name.as_str()));
    names
}

#[test]
fn the_reader_of_sources_reads_what_it_should() {
    let code = bare(
        "use crate::{a::{x, y}, b, c::*}; // crate::comment\n\
         /// [`crate::doc`]\nfn f() { crate::d::g(\"crate::text\\\" crate::more\"); mycrate::e(); let q = '\"'; crate::f(); }\n\
         const S: &str = r#\"crate::raw \" x\"#; crate::g::h;",
    );
    assert_eq!(names_after(&code, "crate").into_iter().collect::<Vec<_>>(), ["a", "b", "c", "d", "f", "g"]);
    assert!(names_path("use std::{fs, io};", "std::fs") && names_path("std::fs::read(x)", "std::fs"));
    assert!(!names_path("use std::io; self::fs::x", "std::fs"));
    assert!(
        names_path("use backoff;", "backoff")
            && names_path("toml::de::x", "toml")
            && !names_path("strict_toml::x", "toml")
    );
}

#[test]
fn every_module_has_its_layer_and_names_only_its_own_and_lower_ones() {
    let layers = layers();
    let sources = sources();
    let modules: BTreeSet<&str> = sources.iter().map(|source| source.module.as_str()).collect();
    for module in &modules {
        assert!(
            ["bin", "lib", "main"].contains(module) || layers.contains_key(module),
            "src/{module}.rs has no layer: put it into the table of {}",
            file!()
        );
    }
    for module in layers.keys() {
        assert!(modules.contains(module), "there is no module {module} any more");
    }
    let (mut wrong, mut right) = (Vec::new(), 0);
    for source in sources.iter().filter(|source| layers.contains_key(source.module.as_str())) {
        for used in uses(source, &source.code()) {
            if layers[used.as_str()] > layers[source.module.as_str()] {
                wrong.push(format!("{} names crate::{used}, which is above it", source.path.display()));
            }
            right += 1;
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(right > 100, "only {right} uses were found");
}

#[test]
fn the_edges_do_not_know_each_other() {
    let (_, edges) = LAYERS[1];
    let mut wrong = Vec::new();
    for source in sources().iter().filter(|source| edges.contains(&source.module.as_str())) {
        for used in uses(source, &source.code()) {
            // Waiting between tries is a tool, and so is reading what AWS refuses; the log's start and the store take their
            // own parts of the configuration as they are; the instance's end is a reason to stop. Whatever happens anywhere may be counted and marked, and crash points are
            // nothing in an ordinary build.
            let is_agreed = [("instance", "shutdown"), ("store", "config"), ("telemetry", "config")]
                .contains(&(&source.module, &used))
                || ["aws", "crash", "metrics", "retry", "steps"].contains(&used.as_str());
            if used != source.module && edges.contains(&used.as_str()) && !is_agreed {
                wrong.push(format!("{} names crate::{used}", source.path.display()));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn the_vocabulary_does_no_input_or_output_and_knows_neither_engine_nor_queue() {
    let (_, vocabulary) = LAYERS[0];
    let mut wrong = Vec::new();
    for source in sources().iter().filter(|source| vocabulary.contains(&source.module.as_str())) {
        let code = source.code();
        let named = NOT_IN_VOCABULARY.iter().filter(|path| names_path(&code, path));
        wrong.extend(named.map(|path| format!("{} names {path}", source.path.display())));
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn the_simulation_is_a_model_and_knows_nothing_but_how_to_read_its_scenario() {
    let sources = sources();
    let simulation: Vec<&Source> = sources.iter().filter(|source| source.module == "simulate").collect();
    assert!(simulation.len() > 5, "only {} sources of the simulation were found", simulation.len());
    for source in simulation {
        let code = source.code();
        let mut used = uses(source, &code);
        used.retain(|module| !["simulate", "strict_toml"].contains(&module.as_str()));
        assert!(used.is_empty(), "{} names {used:?}", source.path.display());
        for path in NOT_IN_VOCABULARY.iter().chain(&["std::time", "std::thread"]) {
            assert!(!names_path(&code, path), "{} names {path}", source.path.display());
        }
    }
}

#[test]
fn a_foreign_crate_with_one_place_is_named_there_and_nowhere_else() {
    let sources = sources();
    let mut wrong = Vec::new();
    for (path, places) in ONE_PLACE {
        let named: Vec<&Source> = sources.iter().filter(|source| names_path(&source.code(), path)).collect();
        assert!(!named.is_empty(), "nobody names {path} any more");
        let elsewhere = named.iter().filter(|source| !places.split(' ').any(|place| place == source.module));
        wrong.extend(elsewhere.map(|source| format!("{} names {path}", source.path.display())));
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn the_agent_stands_on_the_parsers_the_protocol_and_libc_alone() {
    let sources = sources();
    let agent: Vec<&Source> = sources.iter().filter(|source| source.path.starts_with("bin/caisson-agent")).collect();
    assert!(agent.len() > 5, "only {} sources of the agent were found", agent.len());
    let mut named = BTreeSet::new();
    for source in agent {
        let code = source.code();
        named.extend(names_after(&code, "caisson"));
        for foreign in ["serde", "serde_json", "tokio", "tracing", "bollard", "bytes", "uuid", "sha2", "tar"] {
            assert!(!names_path(&code, foreign), "{} names {foreign}", source.path.display());
        }
    }
    assert_eq!(named.into_iter().collect::<Vec<_>>(), AGENT_USES);
}

#[test]
fn no_source_is_longer_than_a_person_reads_in_one_go() {
    let long: Vec<String> = sources()
        .iter()
        .map(|source| (source.text.lines().count(), &source.path))
        .filter(|(lines, _)| *lines > LONGEST_FILE)
        .map(|(lines, path)| format!("{} has {lines} lines, {LONGEST_FILE} are allowed", path.display()))
        .collect();
    assert!(long.is_empty(), "{}", long.join("\n"));
}
