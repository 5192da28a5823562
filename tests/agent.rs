//! The agent in images of any kind, as their programs see it: one that holds a single static program and nothing else,
//! a glibc one, a musl one.

mod support;

use std::path::Path;
use std::process::Stdio;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use serde_json::{Value, json};
use support::engine::{Image, beside_the_agent, docker, gone, import, inspect, running_container_of};
use support::jobs::{c, stdout, verdict, with};
use support::lab::Lab;
use support::{unique, until, within};

/// One program that does what its first argument says, from the C library alone.
const PROGRAM: &str = r#"
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>
extern char **environ;
int main(int argc, char **argv) {
    const char *what = argc > 1 ? argv[1] : "";
    if (!strcmp(what, "show")) {
        char folder[256];
        for (int i = 0; i < argc; i++) printf("argument %s\n", argv[i]);
        for (char **variable = environ; *variable; variable++) printf("variable %s\n", *variable);
        printf("folder %s\n", getcwd(folder, sizeof folder));
        printf("root %d\n", getuid() == 0 || geteuid() == 0 || getgid() == 0 || getegid() == 0);
        printf("leads %d\n", getsid(0) == getpid());
        return 0;
    }
    if (!strcmp(what, "exit")) return atoi(argv[2]);
    if (!strcmp(what, "signal")) { raise(atoi(argv[2])); return 0; }
    if (!strcmp(what, "cat")) {
        static char buffer[65536];
        ssize_t length;
        while ((length = read(0, buffer, sizeof buffer)) > 0)
            for (ssize_t done = 0; done < length;) {
                ssize_t written = write(1, buffer + done, length - done);
                if (written < 0) return 1;
                done += written;
            }
        return 0;
    }
    if (!strcmp(what, "print")) {
        long count = atol(argv[2]);
        for (long i = 0; i < count; i++) { fputc('o', stdout); fputc('e', stderr); }
        return 0;
    }
    if (!strcmp(what, "write")) {
        int file = open(argv[2], O_WRONLY | O_CREAT, 0600);
        printf("%s\n", file < 0 || write(file, "x", 1) != 1 ? strerror(errno) : "written");
        return 0;
    }
    if (!strcmp(what, "descriptors")) {
        for (int fd = 0; fd < 1024; fd++) if (fcntl(fd, F_GETFD) >= 0) printf("%d ", fd);
        return 0;
    }
    if (!strcmp(what, "sleep")) return sleep(atoi(argv[2]));
    return 99;
}
"#;

/// Compiles [`PROGRAM`] on the host.
async fn compiled(compiler: &str, flags: &[&str]) -> Vec<u8> {
    let folder = tempfile::tempdir().expect("a temporary folder can be made");
    let (source, program) = (folder.path().join("program.c"), folder.path().join("program"));
    std::fs::write(&source, PROGRAM).expect("the source can be written");
    let mut command = tokio::process::Command::new(compiler);
    command.args(flags).arg("-o").arg(&program).arg(&source).stdin(Stdio::null()).kill_on_drop(true);
    let output = within("the compiler", command.output()).await.expect("the compiler can be run");
    assert!(output.status.success(), "{compiler}: {}", String::from_utf8_lossy(&output.stderr));
    std::fs::read(&program).expect("there is a program")
}

/// An archive of files, each with its mode.
fn archive(files: &[(&str, u32, &[u8])]) -> Vec<u8> {
    let mut builder = tar::Builder::new(Vec::new());
    for (path, mode, content) in files {
        let mut header = tar::Header::new_ustar();
        header.set_entry_type(if path.ends_with('/') { tar::EntryType::Directory } else { tar::EntryType::Regular });
        header.set_mode(*mode);
        header.set_size(content.len() as u64);
        builder.append_data(&mut header, path, *content).expect("a tar in memory can be written");
    }
    builder.into_inner().expect("a tar in memory can be written")
}

/// An image of the static program alone, and a lab that may run it.
async fn bare() -> (Lab, Image) {
    let program = compiled("cc", &["-static", "-Os"]).await;
    let reference = format!("caisson-test/{}:1", unique("bare"));
    let image = import(&reference, &archive(&[("program", 0o755, &program)])).await;
    (Lab::with(1, &format!("images.allow = [\"{reference}\"]")).await, image)
}

/// A job that runs the image's program with these arguments.
fn run(image: &Image, arguments: &[&str], more: Value) -> Value {
    let mut run = vec!["/program"];
    run.extend(arguments);
    let files = json!([{ "path": "a file", "content": "text" }]);
    with(json!({ "id": unique("bare"), "image": image.0, "files": files, "run": run }), more)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_static_program_alone_in_its_image_runs_with_its_arguments_and_environment() {
    let (lab, image) = bare().await;
    let more = json!({ "args": ["two words", "", "ö"], "env": { "GREETING": "hello" } });
    let report = lab.run(&run(&image, &["show"], more)).await;
    let mut lines: Vec<&str> = stdout(&report).lines().collect();
    let arguments: Vec<&str> = lines.extract_if(.., |line| line.starts_with("argument ")).collect();
    assert_eq!(arguments, ["argument /program", "argument show", "argument two words", "argument ", "argument ö"]);
    lines.sort_unstable();
    let expected = [
        "folder /box",
        "leads 1",
        "root 0",
        "variable GREETING=hello",
        "variable HOME=/tmp",
        "variable LANG=C.UTF-8",
        "variable PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
        "variable TMPDIR=/tmp",
    ];
    assert_eq!(lines, expected);
    // Of the agent's own descriptors none is left to its programs.
    assert_eq!(stdout(&lab.run(&run(&image, &["descriptors"], json!({}))).await), "0 1 2 ");
    lab.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn exit_codes_and_signals_come_back_as_they_were() {
    let (lab, image) = bare().await;
    let exits = [0, 1, 42, 127, 128 + 9, 255].map(|code| ("exit", code));
    let signals = [
        libc::SIGHUP,
        libc::SIGINT,
        libc::SIGABRT,
        libc::SIGFPE,
        libc::SIGKILL,
        libc::SIGSEGV,
        libc::SIGPIPE,
        libc::SIGTERM,
        34,
    ];
    let cases: Vec<(&str, i32)> = exits.into_iter().chain(signals.map(|signal| ("signal", signal))).collect();
    let tests: Vec<Value> = cases
        .iter()
        .map(|(how, number)| json!({ "id": format!("{how}-{number}"), "args": [how, number.to_string()] }))
        .collect();
    let report = lab.run(&run(&image, &[], json!({ "tests": tests }))).await;
    lab.close().await;
    let tests = report["tests"].as_array().expect("there are tests");
    assert_eq!(tests.len(), cases.len());
    for (test, (how, number)) in tests.iter().zip(cases) {
        let found = (&test["verdict"], &test["reason"], &test["exit_code"], &test["signal"]);
        let expected = match (how, number) {
            ("exit", 0) => (json!("completed"), json!(null), json!(0), json!(null)),
            ("exit", code) => (json!("runtime_error"), json!("exit_code"), json!(code), json!(null)),
            (_, signal) => (json!("runtime_error"), json!("signal"), json!(null), json!(signal)),
        };
        assert_eq!(found, (&expected.0, &expected.1, &expected.2, &expected.3), "{how} {number}: {test:#}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn megabytes_of_any_bytes_go_in_and_come_out_unchanged() {
    let (lab, image) = bare().await;
    // Every byte value, at every offset of a chunk: a linear congruential generator (Numerical Recipes' constants).
    let mut state = 1u32;
    let bytes: Vec<u8> = (0..3_000_001)
        .map(|_| {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            state.to_be_bytes()[0]
        })
        .collect();
    let encoded = BASE64.encode(&bytes);
    let tests = json!([{ "id": "1", "stdin_base64": encoded, "expected_stdout_base64": encoded }]);
    let more = json!({ "tests": tests, "checker": { "type": "exact" }, "capture_bytes": 4_000_000 });
    let report = lab.run(&run(&image, &["cat"], more)).await;
    lab.close().await;
    assert_eq!(verdict(&report), "accepted", "{}", report["detail"]);
    let test = &report["tests"][0];
    assert_eq!(test["stdout_total_bytes"], bytes.len());
    assert!(test["stdout_base64"].as_str() == Some(&encoded), "the report has other bytes");
}

#[tokio::test(flavor = "multi_thread")]
async fn both_streams_are_counted_and_cut_apart() {
    let (lab, image) = bare().await;
    let report = lab.run(&run(&image, &["print", "300000"], json!({ "capture_bytes": 1_000 }))).await;
    let test = &report["tests"][0];
    assert_eq!(verdict(test), "completed");
    for (stream, letter) in [("stdout", "o"), ("stderr", "e")] {
        assert_eq!(test[stream], letter.repeat(1_000));
        assert_eq!(test[format!("{stream}_total_bytes")], 300_000);
        assert_eq!(test[format!("{stream}_truncated")], true);
    }
    // To the byte: as many as are allowed, and one more.
    for (allowed, expected) in [(5_000, "completed"), (4_999, "output_limit")] {
        let more = json!({ "limits": { "output_bytes": allowed } });
        let report = lab.run(&run(&image, &["print", "5000"], more)).await;
        assert_eq!(verdict(&report), expected, "{report:#}");
    }
    lab.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_program_that_cannot_be_started_says_why() {
    let (lab, image) = bare().await;
    for (program, code, reason) in [
        ("/nothing", 127, "/nothing could not be started: No such file or directory"),
        ("nothing", 127, "nothing could not be started: No such file or directory"),
        ("./a file", 126, "./a file could not be started: Permission denied"),
        ("/box", 126, "/box could not be started: Permission denied"),
    ] {
        let report = lab.run(&run(&image, &[], json!({ "run": [program] }))).await;
        assert_eq!(verdict(&report), "runtime_error", "{report:#}");
        assert_eq!(report["tests"][0]["exit_code"], code, "{report:#}");
        assert!(report["detail"].as_str().is_some_and(|detail| detail.contains(reason)), "{report:#}");
    }
    lab.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_least_memory_that_a_job_may_have_is_enough_for_a_small_program() {
    let (lab, image) = bare().await;
    let more = json!({ "limits": { "memory_bytes": 8 << 20, "processes": 1 } });
    let report = lab.run(&run(&image, &["exit", "0"], more)).await;
    lab.close().await;
    assert_eq!(verdict(&report), "completed", "{report:#}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_an_image_says_of_itself_decides_nothing() {
    let program = compiled("cc", &["-static", "-Os"]).await;
    let folder = tempfile::tempdir().expect("a temporary folder can be made");
    let file = folder.path().join("root.tar");
    // With a folder that anybody may write to.
    let root = archive(&[("program", 0o755, &program), ("data/", 0o1777, &[])]);
    std::fs::write(&file, root).expect("the archive can be written");
    let image = Image(format!("caisson-test/{}:1", unique("opinionated")));
    let mut arguments = vec!["import"];
    for change in [
        "ENTRYPOINT [\"/program\", \"exit\", \"7\"]",
        "CMD [\"/program\", \"exit\", \"8\"]",
        "USER 0",
        "WORKDIR /data",
        "ENV LD_PRELOAD=/evil PATH=/evil",
        "EXPOSE 80",
    ] {
        arguments.extend(["--change", change]);
    }
    let file = file.to_str().expect("the path is UTF-8");
    arguments.extend([file, image.0.as_str()]);
    docker(&arguments).await;
    let with_volume = Image(format!("{}-volume", image.0));
    docker(&["import", "--change", "VOLUME /data", file, &with_volume.0]).await;

    let lab = Lab::with(1, &format!("images.allow = [\"{}\", \"{}\"]", image.0, with_volume.0)).await;
    let report = lab.run(&run(&image, &["show"], json!({}))).await;
    let shown = stdout(&report);
    assert!(shown.contains("folder /box\n") && shown.contains("root 0\n"), "{shown}");
    assert!(!shown.contains("evil"), "{shown}");
    for (path, is_written) in [("/box/x", true), ("/data/x", false), ("/x", false)] {
        let outcome = lab.run(&run(&image, &["write", path], json!({}))).await;
        assert_eq!(stdout(&outcome) == "written\n", is_written, "{path}: {outcome:#}");
    }

    gone(&lab.worker).await;
    let sleeping = tokio::spawn({
        let (lab, job) = (lab.clone(), run(&image, &["sleep", "60"], json!({ "limits": { "wall_time_ms": 90_000 } })));
        async move { lab.try_run(&job).await.map(drop) }
    });
    let container = inspect(&running_container_of(&lab.worker).await).await;
    sleeping.abort();
    assert_eq!(container["Config"]["WorkingDir"], "/");
    assert_ne!(container["Config"]["User"], "0");

    // A volume would be on the host's disk, without a limit.
    let refused = lab.try_run(&run(&with_volume, &["show"], json!({}))).await.expect_err("it declares a volume");
    assert!(refused.to_string().contains("declares volumes (/data)"), "{refused}");
    lab.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_glibc_image_works_and_so_does_what_is_linked_dynamically_in_it() {
    let lab = Lab::open(1).await;
    let tests = json!([{ "id": "1", "args": ["cat"], "stdin": "through\n", "expected_stdout": "through" }]);
    let report = lab.run(&c(PROGRAM, json!({ "tests": tests }))).await;
    lab.close().await;
    assert_eq!(verdict(&report), "accepted", "{report:#}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_musl_image_works_and_so_does_what_is_linked_dynamically_in_it() {
    // Debian's musl-tools; the loader is the C library itself.
    let loader = format!("/lib/ld-musl-{}.so.1", std::env::consts::ARCH);
    if !Path::new("/usr/bin/musl-gcc").exists() || !Path::new(&loader).exists() {
        eprintln!("skipped: there is no musl-gcc here (Debian: apt-get install musl-tools)");
        return;
    }
    let program = compiled("/usr/bin/musl-gcc", &["-Os"]).await;
    assert!(program.windows(loader.len()).any(|part| part == loader.as_bytes()), "the program isn't linked to musl");
    let library = std::fs::read(&loader).expect("the loader can be read");
    let reference = format!("caisson-test/{}:1", unique("musl"));
    let root = archive(&[("program", 0o755, &program), ("lib/", 0o755, &[]), (&loader[1..], 0o755, &library)]);
    let image = import(&reference, &root).await;
    let lab = Lab::with(1, &format!("images.allow = [\"{reference}\"]")).await;
    let tests = json!([{ "id": "1", "stdin": "through\n", "expected_stdout": "through" }]);
    let report = lab.run(&run(&image, &["cat"], json!({ "tests": tests }))).await;
    lab.close().await;
    assert_eq!(verdict(&report), "accepted", "{report:#}");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_agent_runs_as_pid_1_and_refuses_anything_else() {
    let lab = Lab::open(1).await;
    // Fills the volume that the agent is in.
    assert_eq!(verdict(&lab.run(&c("int main(void) { return 0; }", json!({}))).await), "completed");
    let script = "sleep 60 & /caisson/agent </dev/null 2>&1; echo code $?; kill -0 $! && echo the neighbour lives";
    // Another worker of this build that ends may have taken the volume away; then it is filled again.
    let said = until("the agent's refusal", async || {
        let said = beside_the_agent(&lab.worker, "/caisson:ro", script).await;
        if said.contains("code 127") {
            lab.run(&c("int main(void) { return 0; }", json!({}))).await;
            return None;
        }
        Some(said)
    })
    .await;
    let expected = ["caisson-agent is PID 1 of a sandbox and runs nowhere else", "code 64", "the neighbour lives"];
    assert_eq!(said.lines().collect::<Vec<_>>(), expected);
    lab.close().await;
}
