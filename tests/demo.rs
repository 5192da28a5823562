//! The demo, as `./justw demo` runs it once everything is built: with some of its examples, and with this build's program.

mod support;

use std::path::Path;
use std::process::Stdio;

use support::process::finish;

/// Messages with no job in them, one that is answered by a program, and a hostile one.
const EXAMPLES: [&str; 3] = ["malformed", "answers/sum-bash", "hostile/read-secrets"];

#[tokio::test(flavor = "multi_thread")]
async fn the_demo_finds_every_example_as_expected_and_nothing_left_behind() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let python = root.join(".tools/venv/bin/python");
    assert!(python.is_file(), "scripts/tools.sh sqs installs it");
    let mut command = tokio::process::Command::new(&python);
    command.arg(root.join("scripts/demo.py")).args(["--caisson", env!("CARGO_BIN_EXE_caisson")]);
    command.args(EXAMPLES.iter().flat_map(|name| ["--only", name]));
    command.kill_on_drop(true).stdout(Stdio::piped()).stderr(Stdio::piped());
    let ended = finish(command, b"").await;
    assert_eq!(ended.code, Some(0), "{}\n{}", ended.text(), ended.stderr);
    let says = |what: &str| assert!(ended.text().contains(what), "{what:?} is missing:\n{}", ended.text());
    says("29 of 29 as expected");
    says("the queues are empty, no container is left");
    says("a copy of each is in the dead-letter queue");
}
