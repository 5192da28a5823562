//! The commands that run nothing.

use crate::Desk;
use crate::support::process::{caisson, finish};
use serde_json::Value;

#[tokio::test]
async fn schemas_are_printed_and_are_those_of_the_library() {
    for (of, schema) in
        [("job", caisson::schema::job()), ("result", caisson::schema::result()), ("config", caisson::config::schema())]
    {
        let ended = finish(caisson("x", &["schema", of]), b"").await;
        assert_eq!(ended.code, Some(0), "{}", ended.stderr);
        assert_eq!(serde_json::from_str::<Value>(ended.text()).expect("it is JSON"), schema);
        assert!(schema["$schema"].is_string() && schema["properties"].is_object(), "{schema:#}");
    }
}

#[tokio::test]
async fn a_configuration_is_checked_and_shown_with_where_each_value_comes_from() {
    let desk = Desk::new();
    let file = desk.write("caisson.toml", "worker.slots = 3\nlimits.cpu_time_ms = 1500\n");
    let configured = |arguments: &[&str]| {
        let mut command = caisson(&desk.worker, arguments);
        command.args(["--config", &file]);
        command
    };
    let ended = finish(configured(&["config", "check"]), b"").await;
    assert_eq!((ended.code, ended.text(), ended.stderr.as_str()), (Some(0), "", ""));

    let mut command = configured(&["config", "show"]);
    command.env("CAISSON_WORKER_GRACE_PERIOD_S", "7");
    let ended = finish(command, b"").await;
    assert_eq!(ended.code, Some(0), "{}", ended.stderr);
    let line = |start: &str| {
        let line = ended.lines().into_iter().find(|line| line.trim_start().starts_with(start)).map(str::to_owned);
        line.unwrap_or_else(|| panic!("{start} is not in\n{}", ended.text()))
    };
    assert!(line("slots = 3").contains("caisson.toml:1"));
    assert!(line("cpu_time_ms = 1500").contains("caisson.toml:2"));
    assert!(line("grace_period_s = 7").contains("CAISSON_WORKER_GRACE_PERIOD_S"));
    // What is shown is a configuration itself, and the same one.
    let shown = desk.write("shown.toml", ended.text());
    let ended = finish(caisson(&desk.worker, &["config", "check", "--config", &shown]), b"").await;
    assert_eq!((ended.code, ended.stderr.as_str()), (Some(0), ""));

    let bad = desk.write("bad.toml", "worker.slots = \"many\"\nnonsense = 1\n");
    let ended = finish(caisson(&desk.worker, &["config", "check", "--config", &bad]), b"").await;
    assert_eq!((ended.code, ended.stderr.lines().count()), (Some(64), 2), "{}", ended.stderr);
}

#[tokio::test]
async fn completions_are_printed_for_every_shell_even_beside_a_broken_configuration() {
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        let mut command = caisson("x", &["completions", shell]);
        command.env("CAISSON_NONSENSE", "1");
        let ended = finish(command, b"").await;
        assert_eq!(ended.code, Some(0), "{shell}: {}", ended.stderr);
        assert!(ended.text().contains("caisson") && ended.text().contains("concurrency"), "{shell}");
    }
}
