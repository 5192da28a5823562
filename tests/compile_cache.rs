//! The cache of compile results with the real engine: what is compiled once, what isn't, and that nobody can tell by the
//! verdict.

mod support;

use serde_json::{Value, json};
use support::jobs::{c, job, of_test, stdout, test, verdict, with};
use support::lab::Lab;

/// The configuration of a cache that is on.
const ON: &str = "[compile_cache]\nenabled = true\n";

/// Prints what its compile step left behind: a number that differs from one compile step to the next.
const NUMBERED: &str =
    "#include <stdio.h>\nint main(void) { int n; scanf(\"%d\", &n); printf(\"%d\\n\", n * 2); return 0; }\n";

/// Compiles the program, and prints a random text that tells one compile step from another.
fn marked(more: Value) -> Value {
    let script = "gcc -O1 -o main main.c && head -c 16 /proc/sys/kernel/random/uuid | tee mark && echo warning >&2";
    with(c(NUMBERED, json!({ "compile": ["bash", "-c", script], "run": ["./main"] })), more)
}

fn mark(report: &Value) -> &str {
    report["compile"]["stdout"].as_str().unwrap_or_else(|| panic!("it wasn't compiled: {report:#}"))
}

fn is_cached(report: &Value) -> bool {
    match report["compile"].get("cached") {
        None => false,
        Some(Value::Bool(true)) => true,
        other => panic!("{other:?}"),
    }
}

fn holds(lab: &Lab) -> (usize, u64) {
    lab.pipeline.compile_cache.as_ref().expect("there is a cache").holds()
}

/// The value of a counter or gauge of this process.
fn metric(name: &str) -> f64 {
    let page = caisson::metrics::all().prometheus();
    let line = page.lines().find_map(|line| line.strip_prefix(&format!("{name} ")));
    line.and_then(|value| value.parse().ok()).unwrap_or_else(|| panic!("there is no {name}"))
}

#[tokio::test(flavor = "multi_thread")]
async fn the_second_job_of_the_same_sources_is_judged_without_compiling() {
    let lab = Lab::with(1, ON).await;
    let first = lab.run(&marked(json!({ "tests": [test("1", "4", "8"), test("2", "5", "10")] }))).await;
    assert!(verdict(&first) == "accepted" && !is_cached(&first), "{first:#}");
    assert_eq!(holds(&lab).0, 1);

    // Other tests, another id, other metadata, other limits for the run: nothing that a compile step could see.
    let more = json!({
        "tests": [test("a", "7", "14"), test("b", "8", "15"), test("c", "9", "18")],
        "metadata": { "round": 2 }, "limits": { "cpu_time_ms": 1_500 }, "args": ["x"],
    });
    let second = lab.run(&marked(more)).await;
    assert!(is_cached(&second), "{second:#}");
    assert_eq!(verdict(&second), "wrong_answer");
    let verdicts: Vec<&str> =
        ["a", "b", "c"].map(|id| of_test(&second, id)["verdict"].as_str().expect("a word")).into();
    assert_eq!(verdicts, ["accepted", "wrong_answer", "accepted"]);
    let mut compile = second["compile"].clone();
    compile.as_object_mut().expect("an object").remove("cached");
    assert_eq!(compile, first["compile"], "all of it is of the time when it ran");
    assert_eq!(mark(&first).len(), 16);
    assert_eq!(first["compile"]["stderr"], "warning\n");
    assert_eq!(second["timeline"]["compile_ms"], 0);

    let single = marked(json!({ "stdin": "21", "run": ["bash", "-c", "./main; cat mark"] }));
    let third = lab.run(&single).await;
    assert_eq!(stdout(&third), format!("42\n{}", mark(&first)), "a job with one test too");
    let apart = json!({ "isolation": "test", "tests": [test("1", "1", "2"), test("2", "2", "4")] });
    let fourth = lab.run(&marked(apart)).await;
    assert!(is_cached(&fourth) && verdict(&fourth) == "accepted", "{fourth:#}");

    assert_eq!(metric("caisson_compile_cache_hits_total"), 3.0);
    assert_eq!(metric("caisson_compile_cache_misses_total"), 1.0);
    assert_eq!(metric("caisson_compile_cache_held_bytes"), holds(&lab).1 as f64);
    lab.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn whatever_a_compile_step_can_see_makes_it_another_one() {
    let lab = Lab::with(2, &format!("images.allow = [\"caisson/c\", \"caisson/cpp\"]\n{ON}")).await;
    let base = marked(json!({ "stdin": "1" }));
    assert!(!is_cached(&lab.run(&base).await));
    assert!(is_cached(&lab.run(&base).await));
    let changed = |field: &str, value: Value| {
        let mut job = base.clone();
        job[field] = value;
        job
    };
    let mut compile = base["compile"].clone();
    compile[2] = json!(compile[2].as_str().expect("a text").replace("-O1", "-O2"));
    let file = |path: &str, content: &str| json!({ "path": path, "content": content });
    let files = &base["files"][0];
    let image = |reference: &str| {
        let mut job = changed("image", json!(reference));
        job.as_object_mut().expect("an object").remove("language");
        job
    };
    let others = [
        ("the command", changed("compile", compile)),
        ("the source", changed("files", json!([file("main.c", &NUMBERED.replace("n * 2", "n * 3"))]))),
        ("another file", changed("files", json!([files, file("a.h", "")]))),
        ("its content", changed("files", json!([files, file("a.h", "x")]))),
        ("its name", changed("files", json!([files, file("b.h", "x")]))),
        ("the files' order", changed("files", json!([file("b.h", "x"), files]))),
        ("the environment", changed("env", json!({ "A": "1" }))),
        ("a limit", changed("compile_limits", json!({ "cpu_time_ms": 9_000 }))),
        ("what is shown", changed("capture_bytes", json!(1_000))),
        ("another image", image("caisson/cpp")),
    ];
    for (what, job) in others {
        for expected in [false, true] {
            let report = lab.run(&job).await;
            assert_eq!(is_cached(&report), expected, "{what}: {report:#}");
        }
    }
    assert!(is_cached(&lab.run(&base).await), "the first one is still there");
    lab.close().await;
}

/// Leaves everything behind that a compile step may, and some of what it can't keep.
const LEAVES: &str = r#"
    mkdir -p deep/er/est shut empty
    echo one > deep/er/est/file; echo hidden > shut/file; printf '' > nothing
    printf 'a\0b' > 'deep/odd name'; head -c 300000 /dev/zero | tr '\0' z > large
    cp /bin/true program; chmod 711 program; chmod 0 deep/er/est/file; chmod 4755 nothing; chmod 222 large
    ln -s deep/er link; ln -s /etc/passwd away; ln -s nowhere dangling; ln deep/er/est/file twin
    mkfifo pipe; chmod 500 deep/er; chmod 0 shut; chmod 1777 empty
"#;

/// Looks at all of it: types, modes, sizes, targets, and contents by their hash.
const LOOKS: &str = r#"
    find . -printf '%P %y %m %l\n' 2>&1 | sort
    chmod -R u+rwX . 2>/dev/null
    find . -type f | sort | while read -r file; do sha256sum "$file"; done
"#;

#[tokio::test(flavor = "multi_thread")]
async fn a_workspace_is_the_same_whether_it_was_compiled_or_kept() {
    let lab = Lab::with(1, ON).await;
    let leave = || {
        let more = json!({ "compile": ["bash", "-c", LEAVES], "run": ["bash", "-c", LOOKS] });
        job("bash", "main.sh", "", more)
    };
    for more in [json!({}), json!({ "tests": [{ "id": "1" }, { "id": "2" }] }), json!({ "isolation": "test" })] {
        let (first, second) = (lab.run(&with(leave(), more.clone())).await, lab.run(&with(leave(), more)).await);
        assert!(is_cached(&second), "{second:#}");
        for (one, other) in
            first["tests"].as_array().into_iter().flatten().zip(second["tests"].as_array().into_iter().flatten())
        {
            assert_eq!(one["verdict"], "completed", "{one:#}");
            let seen = one["stdout"].as_str().expect("a text");
            assert_eq!(Some(seen), other["stdout"].as_str());
            for line in [
                "program f 711 ",
                "large f 222 ",
                "nothing f 4755 ",
                "link l 777 deep/er",
                "away l 777 /etc/passwd",
                "dangling l 777 nowhere",
                "deep/er d 500 ",
                "shut d 0 ",
                "empty d 1777 ",
                "deep/odd name f 644 ",
            ] {
                assert!(seen.lines().any(|it| it == line), "{line:?} is missing in\n{seen}");
            }
            assert!(!seen.contains("pipe"), "{seen}");
        }
    }
    assert_eq!(holds(&lab).0, 1);
    lab.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn off_nothing_is_kept_and_nothing_is_said() {
    let lab = Lab::open(1).await;
    assert!(lab.pipeline.compile_cache.is_none());
    let reports = [lab.run(&marked(json!({ "stdin": "3" }))).await, lab.run(&marked(json!({ "stdin": "3" }))).await];
    assert_ne!(mark(&reports[0]), mark(&reports[1]), "it was compiled twice");
    assert!(reports.iter().all(|report| report["compile"].get("cached").is_none() && stdout(report) == "6\n"));
    assert_eq!(metric("caisson_compile_cache_misses_total"), 0.0);
    lab.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_compile_error_is_kept_and_what_a_limit_or_an_accident_ended_is_not() {
    let lab = Lab::with(1, ON).await;
    let compiled_by = |script: &str, more: Value| {
        let more = with(json!({ "compile": ["bash", "-c", script], "run": ["true"] }), more);
        job("bash", "main.sh", "", more)
    };
    let error = c("int main(void) { return x; }", json!({}));
    let reports = [lab.run(&error).await, lab.run(&error).await];
    assert!(reports.iter().all(|report| verdict(report) == "compile_error"), "{reports:#?}");
    assert!(!is_cached(&reports[0]) && is_cached(&reports[1]), "{reports:#?}");
    assert_eq!(reports[0]["compile"]["stderr"], reports[1]["compile"]["stderr"]);
    assert_eq!((&reports[0]["detail"], &reports[0]["sandbox"]), (&reports[1]["detail"], &reports[1]["sandbox"]));
    assert_eq!(holds(&lab).0, 1);

    let small = json!({ "compile_limits": { "memory_bytes": 32 << 20 } });
    for broken in [
        compiled_by("while :; do :; done", json!({ "compile_limits": { "cpu_time_ms": 300 } })),
        compiled_by("sleep 60", json!({ "compile_limits": { "wall_time_ms": 300 } })),
        compiled_by("head -c 100M /dev/zero | tail", small),
        compiled_by("yes", json!({ "compile_limits": { "output_bytes": 65_536 } })),
        compiled_by("kill -9 $$", json!({})),
        with(compiled_by("", json!({})), json!({ "compile": ["no-such-compiler"] })),
    ] {
        for _ in 0..2 {
            let report = lab.run(&broken).await;
            assert!(verdict(&report) == "compile_error" && !is_cached(&report), "{report:#}");
        }
    }
    assert_eq!(holds(&lab).0, 1, "only the first one");
    lab.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_too_large_is_not_kept_and_its_job_is_judged_as_ever() {
    let lab = Lab::with(1, &format!("{ON}max_bytes = {}\n", 4 << 20)).await;
    let leaving = |script: &str, more: Value| {
        let more = with(json!({ "compile": ["bash", "-c", script], "run": ["bash", "-c", "ls | wc -l"] }), more);
        job("bash", "main.sh", "", more)
    };
    let large = "head -c 2000000 /dev/zero > large";
    let many = "mkdir files && cd files && for n in {1..8300}; do : > $n; done";
    let hole = "truncate -s 60M hole";
    let tight = json!({ "limits": { "memory_bytes": 16 << 20 } });
    for (script, more) in [(large, json!({})), (many, json!({})), (hole, json!({})), (large, tight)] {
        for _ in 0..2 {
            let report = lab.run(&leaving(script, more.clone())).await;
            assert!(stdout(&report) == "2\n" && !is_cached(&report), "{script}: {report:#}");
        }
    }
    let several = json!({ "tests": [test("1", "", "2"), test("2", "", "2")] });
    let report = lab.run(&leaving(large, several)).await;
    assert!(verdict(&report) == "accepted" && !is_cached(&report), "{report:#}");
    assert_eq!(holds(&lab), (0, 0));
    lab.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_used_longest_ago_makes_room() {
    let lab = Lab::with(1, &format!("{ON}max_bytes = {}\n", 1 << 20)).await;
    let leaving = |number: usize| {
        let script = format!("head -c 240000 /dev/urandom > data; echo {number}");
        job("bash", "main.sh", "", json!({ "compile": ["bash", "-c", script], "run": ["true"] }))
    };
    for number in 0..4 {
        assert!(!is_cached(&lab.run(&leaving(number)).await));
    }
    assert_eq!(holds(&lab).0, 4);
    assert!(is_cached(&lab.run(&leaving(0)).await));
    assert!(!is_cached(&lab.run(&leaving(4)).await));
    assert!(is_cached(&lab.run(&leaving(0)).await), "it was used since");
    assert!(!is_cached(&lab.run(&leaving(1)).await), "it made room");
    let (results, bytes) = holds(&lab);
    assert!(results == 4 && bytes <= 1 << 20, "{bytes} bytes of {results}");
    assert_eq!(metric("caisson_compile_cache_evictions_total"), 2.0);
    lab.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_same_job_several_times_at_once_is_judged_right_each_time() {
    let lab = Lab::with(2, ON).await;
    let runs: Vec<_> = (0..6)
        .map(|number| {
            let (lab, tests) = (lab.clone(), json!([test("1", &number.to_string(), &(number * 2).to_string())]));
            tokio::spawn(async move { lab.run(&marked(json!({ "tests": tests }))).await })
        })
        .collect();
    for run in runs {
        let report = run.await.expect("it doesn't panic");
        assert_eq!(verdict(&report), "accepted", "{report:#}");
    }
    assert_eq!(holds(&lab).0, 1);
    lab.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_program_that_breaks_its_sandbox_gets_another_with_what_was_compiled() {
    let lab = Lab::with(1, ON).await;
    let source =
        "#include <unistd.h>\nint main(void) { char c = 0; read(0, &c, 1); if (c == 'x') for (;;) pause(); return 0; }";
    let more = || {
        let waits = json!({ "id": "1", "stdin": "x", "args": ["waits"], "limits": { "wall_time_ms": 240_000 } });
        json!({ "tests": [waits, { "id": "2", "stdin": "y" }] })
    };
    for expected in [false, true] {
        let killer = async {
            let id = support::engine::running_container_of(&lab.worker).await;
            let is_waiting = async || {
                // By its argument: the compiler's own line ends with the program's name as well.
                let processes = support::engine::docker(&["top", &id, "-o", "pid,args"]).await;
                processes.lines().any(|line| line.ends_with("./main waits")).then_some(())
            };
            support::until("the program", is_waiting).await;
            support::engine::kill_agent(&id).await;
        };
        let job = c(source, more());
        let (report, ()) = tokio::join!(lab.run(&job), killer);
        assert_eq!(is_cached(&report), expected, "{report:#}");
        assert_eq!(of_test(&report, "1")["verdict"], "memory_limit", "{report:#}");
        assert_eq!(of_test(&report, "2")["verdict"], "completed", "{report:#}");
        support::engine::gone(&lab.worker).await;
    }
    lab.close().await;
}
