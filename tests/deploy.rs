//! What an operator deploys, judged and tried without an account: the template, the units, the settings, the gate before a
//! worker's first job. The checks themselves are in `tests/deploy/`, in Python where AWS is concerned.

mod support;

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use support::process::{Ended, caisson, finish};
use support::{unique, within};
use tokio::process::Command;

fn project() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn read(path: &str) -> String {
    std::fs::read_to_string(project().join(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

async fn run(program: &str, arguments: &[&str]) -> Ended {
    let mut command = Command::new(program);
    command.args(arguments).current_dir(project()).kill_on_drop(true);
    command.stdout(std::process::Stdio::piped()).stderr(std::process::Stdio::piped());
    finish(command, b"").await
}

async fn python(arguments: &[&str]) -> String {
    let program = project().join(".tools/venv/bin/python");
    let ended = run(program.to_str().expect("the path is UTF-8"), arguments).await;
    assert_eq!(ended.code, Some(0), "{}:\n{}", arguments.join(" "), ended.stderr);
    ended.text().to_owned()
}

async fn is_here(program: &str) -> bool {
    within(program, Command::new("sh").args(["-c", &format!("command -v {program}")]).output())
        .await
        .is_ok_and(|output| output.status.success())
}

#[tokio::test]
async fn the_template_is_clean_grants_little_and_says_why_it_refuses_a_parameter() {
    python(&["tests/deploy/template.py", "lint"]).await;
}

#[tokio::test]
async fn a_stack_is_created_updated_and_deleted_with_the_attributes_it_promises() {
    python(&["tests/deploy/stack.py", "check", &unique("stack")]).await;
}

#[tokio::test]
async fn the_gate_lets_a_host_into_service_only_after_doctor_and_selftest() {
    python(&["tests/deploy/launch.py"]).await;
}

/// What a shell script writes into a file by `cat >FILE <<'END'`, as names and values.
fn settings_written(script: &str, file: &str) -> BTreeMap<String, String> {
    let begin = format!("cat >{file} <<'END'\n");
    let (_, rest) = script.split_once(&begin).unwrap_or_else(|| panic!("nothing is written to {file}:\n{script}"));
    assignments(rest.split_once("\nEND\n").expect("the text has an end").0)
}

fn assignments(text: &str) -> BTreeMap<String, String> {
    let lines = text.lines().filter(|line| !line.is_empty() && !line.starts_with('#'));
    let pair = |line: &str| line.split_once('=').map(|(name, value)| (name.to_owned(), value.to_owned()));
    lines.map(|line| pair(line).unwrap_or_else(|| panic!("not a setting: {line}"))).collect()
}

/// `caisson config check` with the production file and these variables.
async fn accepted(variables: &BTreeMap<String, String>) {
    let file = project().join("deploy/host/caisson.toml");
    let mut command = caisson("deploy", &["config", "check", "--config", file.to_str().expect("the path is UTF-8")]);
    command.envs(variables);
    let ended = finish(command, b"").await;
    assert_eq!(ended.code, Some(0), "{}", ended.stderr);
}

#[tokio::test]
async fn the_settings_that_a_stack_writes_are_taken_by_the_worker() {
    let name = unique("settings");
    let script = python(&["tests/deploy/stack.py", "user-data", &name]).await;
    let settings = settings_written(&script, "/etc/caisson/caisson.env");
    let url = &settings["CAISSON_QUEUE_INCOMING_URL"];
    assert!(url.ends_with(&format!("/{name}-jobs")), "{url}");
    accepted(&settings).await;
    let launch = settings_written(&script, "/etc/caisson/launch.env");
    assert_eq!(launch.keys().collect::<Vec<_>>(), ["GROUP_NAME", "LAUNCH_HOOK", "LOG_GROUP"]);
}

#[tokio::test]
async fn the_settings_of_a_plain_host_are_taken_by_the_worker() {
    accepted(&assignments(&read("deploy/plain/caisson.env"))).await;
}

/// A root folder with everything that `deploy/host/install` puts there, and the programs that the units start.
async fn installed() -> (tempfile::TempDir, PathBuf) {
    let folder = tempfile::tempdir().expect("a temporary folder can be made");
    let root = folder.path().to_owned();
    let install = project().join("deploy/host/install");
    let mut command = Command::new(install);
    // A link would do for the test and not for `install`; the binary is copied.
    command.arg(env!("CARGO_BIN_EXE_caisson")).env("DESTDIR", &root);
    let ended = finish(command, b"").await;
    assert_eq!(ended.code, Some(0), "{}", ended.stderr);
    (folder, root)
}

#[tokio::test]
async fn the_units_are_valid_and_expose_little() {
    if !is_here("systemd-analyze").await {
        eprintln!("not looked at: there is no systemd-analyze here");
        return;
    }
    let (_folder, root) = installed().await;
    let units = root.join("etc/systemd/system");
    // The units name programs by the paths they are installed under; here they lie below another root.
    let here = tempfile::tempdir().expect("a temporary folder can be made");
    for unit in ["caisson.service", "caisson-launch.service"] {
        let text = std::fs::read_to_string(units.join(unit)).expect("the unit is installed");
        let local = text.replace("ExecStart=/usr/local", &format!("ExecStart={}/usr/local", root.display()));
        assert_ne!(text, local, "{unit} starts nothing");
        let ends_with_the_engine = |line: &&str| {
            ["Requires=", "Requisite=", "BindsTo=", "PartOf="].iter().any(|bond| line.starts_with(bond))
                && line.contains("docker")
        };
        assert_eq!(text.lines().find(ends_with_the_engine), None, "{unit} would end with every restart of the engine");
        std::fs::write(here.path().join(unit), local).expect("the unit can be written");
        let file = here.path().join(unit);
        let file = file.to_str().expect("the path is UTF-8").to_owned();
        // The threshold is in tenths: docs/operations.md promises 1.5 for the worker.
        let most = if unit == "caisson.service" { 15 } else { 20 };
        let arguments = ["security", "--offline=true", &format!("--threshold={most}"), &file];
        let ended = run("systemd-analyze", &arguments).await;
        assert_eq!(ended.code, Some(0), "{unit} is exposed by more than {most} tenths:\n{}", ended.text());
    }
    for unit in ["caisson.service", "caisson-launch.service"] {
        let file = here.path().join(unit);
        let ended = run("systemd-analyze", &["verify", file.to_str().expect("the path is UTF-8")]).await;
        // Units that are not on this machine are no fault of these.
        let complaints: Vec<&str> = ended
            .stderr
            .lines()
            .filter(|line| line.contains("caisson") && !line.contains("not found") && !line.contains("docker.service"))
            .collect();
        assert!(complaints.is_empty(), "{unit}: {complaints:#?}");
    }
}

/// The names of metrics that a text mentions, without what Prometheus adds to a histogram's.
fn metrics_in(text: &str) -> BTreeSet<String> {
    let words = text.split(|c: char| !(c.is_ascii_alphanumeric() || c == '_'));
    let names = words.filter(|word| word.starts_with("caisson_"));
    names.map(|name| name.trim_end_matches("_bucket").to_owned()).collect()
}

#[test]
fn dashboards_and_alerts_name_only_metrics_that_there_are() {
    let there = metrics_in(&read("docs/metrics.md"));
    for file in ["deploy/prometheus/alerts.yml", "deploy/grafana/caisson.json"] {
        let named = metrics_in(&read(file));
        assert!(named.len() > 5, "{file} names hardly any metric");
        let unknown: Vec<_> = named.difference(&there).collect();
        assert!(unknown.is_empty(), "{file}: {unknown:?} is not in docs/metrics.md");
    }
    // In CloudWatch the namespace says whose they are, so the names have no prefix.
    let template = read("deploy/caisson.yaml");
    for name in [
        "leases_lost_total",
        "held_up",
        "utilisation",
        "slots",
        "slots_busy",
        "slots_warm",
        "jobs_given_back_total",
        "engine_failures_total",
        "publish_failures_total",
        "heartbeat_failures_total",
    ] {
        assert!(template.contains(name), "the template no longer names {name}");
        assert!(there.contains(&format!("caisson_{name}")), "the template's {name} is not in docs/metrics.md");
    }
}

#[test]
fn every_alert_has_a_card_that_is_there() {
    let cards = read("docs/operations.md");
    let anchors: BTreeSet<String> = cards
        .lines()
        .filter_map(|line| line.strip_prefix("### "))
        .map(|title| title.to_lowercase().replace(' ', "-"))
        .collect();
    let alerts = read("deploy/prometheus/alerts.yml");
    let named: Vec<&str> =
        alerts.lines().filter_map(|line| line.split_once("operations.md#")).map(|(_, at)| at).collect();
    assert_eq!(named.len(), alerts.matches("- alert:").count(), "an alert has no card");
    for anchor in named {
        assert!(anchors.contains(anchor), "docs/operations.md has no card #{anchor}");
    }
}
