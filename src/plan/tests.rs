use super::*;
use crate::job;
use crate::limits::AboveMaximum;

fn policy() -> Policy {
    let mut languages = Languages::default();
    languages.insert(Language {
        name: "c".to_owned(),
        image: "caisson/c".to_owned(),
        extensions: vec!["c".to_owned()],
        main: "main.c".to_owned(),
        compile: Some(vec!["gcc".to_owned(), "-o".to_owned(), "{program}".to_owned(), "{main}".to_owned()]),
        run: vec!["{program}".to_owned()],
        stack_beside_kb: Some(1024),
        env: BTreeMap::from([("FLAVOUR".to_owned(), "plain".to_owned())]),
        limits: LimitsRequest { processes: Some(7), ..LimitsRequest::default() },
        ..Language::default()
    });
    Policy {
        languages,
        images: vec!["registry.example/grader:2".to_owned()],
        limits: LimitsPolicy {
            run: Limits::RUN,
            compile: Limits::COMPILE,
            maximum: Limits::MAXIMUM,
            above_maximum: AboveMaximum::Refuse,
        },
        job_wall_ms: 1_800_000,
    }
}

fn plan(job: serde_json::Value) -> Result<Plan, Rejection> {
    let job = job::parse(job.to_string().as_bytes()).expect("the test's job is well formed");
    Plan::new(job, &policy())
}

fn rejection(job: serde_json::Value) -> String {
    plan(job).expect_err("the job is to be rejected").to_string()
}

#[test]
fn a_languages_commands_are_filled_in() {
    let plan = plan(serde_json::json!({
        "id": "a", "language": "c", "files": [{"path": "x/sum.c", "content": ""}], "args": ["1"],
        "tests": [{"id": "t1", "stdin": ""}, {"id": "t2", "stdin": "", "args": ["2", "3"]}]
    }))
    .expect("the job is good");
    assert_eq!(plan.image, "caisson/c");
    assert_eq!(plan.compile.expect("there is a compile step").argv, ["gcc", "-o", "./x/sum", "x/sum.c"]);
    assert_eq!(plan.tests[0].command.argv, ["./x/sum", "1"]);
    assert_eq!(plan.tests[1].command.argv, ["./x/sum", "2", "3"], "a test's args stand in place of the job's");
    assert_eq!(plan.tests[0].command.env["FLAVOUR"], "plain");
    let command = &plan.tests[0].command;
    assert_eq!(command.limits.processes, 7, "the language's own default");
    assert_eq!(command.stack_bytes, command.limits.stack_bytes + (1 << 20), "the runtime's own is added");
}

#[test]
fn the_languages_file_name_is_preferred_as_the_main_file() {
    let plan = plan(serde_json::json!({
        "id": "a", "language": "c",
        "files": [{"path": "aux.c", "content": ""}, {"path": "main.c", "content": ""}]
    }))
    .expect("the job is good");
    assert_eq!(plan.tests[0].command.argv, ["./main"]);
}

#[test]
fn the_entry_file_is_the_first_source_that_somebody_wrote() {
    for (paths, expected) in [
        (&["notes.txt", "sum.c"][..], "sum.c"),
        (&["__MACOSX/._sum.c", "sum.c"], "sum.c"),
        (&["notes.txt", "SUM.C"], "SUM.C"),
        (&[".DS_Store", "notes.txt"], "notes.txt"),
        (&[".DS_Store"], ".DS_Store"),
    ] {
        let files: Vec<_> = paths.iter().map(|path| serde_json::json!({"path": path, "content": ""})).collect();
        let job = serde_json::json!({"id": "a", "language": "c", "files": files, "run": ["show", "{main}"]});
        assert_eq!(plan(job).expect("the job is good").tests[0].command.argv[1], expected, "{paths:?}");
    }
}

#[test]
fn the_program_is_written_over_no_file_of_the_job() {
    let files = serde_json::json!([{"path": "words.c", "content": ""}, {"path": "words", "content": "one"}]);
    let argv = |extra: serde_json::Value| {
        let mut job = serde_json::json!({"id": "a", "language": "c", "files": files, "main": "words.c"});
        job.as_object_mut().expect("an object").extend(extra.as_object().expect("an object").clone());
        let plan = plan(job).expect("the job is good");
        (plan.compile.expect("there is a compile step").argv, plan.tests[0].command.argv.clone())
    };
    let (compile, run) = argv(serde_json::json!({}));
    assert_eq!(compile[2], "./words-1");
    assert_eq!(run, ["./words-1"]);
    let (_, run) = argv(serde_json::json!({"compile": ["chmod", "+x", "words"]}));
    assert_eq!(run, ["./words"], "a compile step of the job's own says itself where the program is");
}

#[test]
fn a_byte_order_mark_before_a_source_is_left_out_and_kept_in_data() {
    let marked = "\u{feff}x";
    let files: Vec<_> =
        ["main.c", "B.C", "data.txt"].iter().map(|path| serde_json::json!({"path": path, "content": marked})).collect();
    let planned = plan(serde_json::json!({"id": "a", "language": "c", "files": files})).expect("the job is good");
    let contents: Vec<&[u8]> = planned.files.iter().map(|file| &file.content[..]).collect();
    assert_eq!(contents, [b"x", b"x", marked.as_bytes()]);
    let job = serde_json::json!({"id": "a", "image": "registry.example/grader:2", "run": ["x"], "files": files});
    assert_eq!(plan(job).expect("the job is good").files[0].content, marked, "an image has no sources");
}

#[test]
fn a_tests_own_cpu_time_moves_its_wall_time_and_no_other_tests() {
    let plan = plan(serde_json::json!({
        "id": "a", "language": "c", "files": [{"path": "main.c", "content": ""}],
        "limits": {"cpu_time_ms": 1000},
        "tests": [{"id": "1"}, {"id": "2", "limits": {"cpu_time_ms": 10_000}}]
    }))
    .expect("the job is good");
    let wall: Vec<u64> = plan.tests.iter().map(|test| test.command.limits.wall_time_ms).collect();
    assert_eq!(wall, [3_000, 30_000]);
}

#[test]
fn what_the_operator_doesnt_allow_is_refused_by_name() {
    let file = serde_json::json!([{"path": "main.c", "content": ""}]);
    assert_eq!(
        rejection(serde_json::json!({"id": "a", "language": "cobol", "files": file})),
        r#"language: "cobol" isn't one of c"#
    );
    assert_eq!(
        rejection(serde_json::json!({"id": "a", "image": "evil/x", "run": ["x"], "files": file})),
        r#"image: "evil/x" isn't on this operator's list of allowed images"#
    );
    let limits = serde_json::json!({"memory_bytes": 1u64 << 40});
    assert_eq!(
        rejection(serde_json::json!({"id": "a", "language": "c", "files": file, "limits": limits})),
        "limits.memory_bytes: must be at most 1073741824 (this operator's maximum), is 1099511627776"
    );
    let tests = serde_json::json!([{"id": "1"}, {"id": "2", "limits": {"cpu_time_ms": 99_999_999}}]);
    assert!(
        rejection(serde_json::json!({"id": "a", "language": "c", "files": file, "tests": tests}))
            .starts_with("tests[1].limits.cpu_time_ms: must be at most")
    );
}

#[test]
fn files_that_dont_fit_into_their_own_limits_are_refused() {
    let content = "x".repeat(100_000);
    let files = serde_json::json!([{"path": "main.c", "content": content}]);
    assert!(
        rejection(serde_json::json!({"id": "a", "language": "c", "files": files, "limits": {"disk_bytes": 8192},
            "compile_limits": {"disk_bytes": 8192}}))
        .starts_with("limits.disk_bytes: is 8192, but the job's files take")
    );
    let stdin = "x".repeat(900_000);
    let files: Vec<_> = (0..9).map(|index| serde_json::json!({"path": format!("{index}"), "content": "x"})).collect();
    assert!(
        plan(serde_json::json!({"id": "a", "language": "c", "files": files, "stdin": stdin,
            "limits": {"memory_bytes": 8 << 20}}))
        .is_ok()
    );
}

/// So many files, each in seven folders of its own, with names of so many letters.
fn deep(count: usize, letters: usize) -> serde_json::Value {
    let files = (0..count).map(|index| {
        let folder = format!("{index:0letters$}/").repeat(7);
        serde_json::json!({"path": format!("{folder}f"), "content": ""})
    });
    files.collect()
}

#[test]
fn what_the_kernel_keeps_of_folders_and_names_counts() {
    let of = |files: &serde_json::Value, memory_bytes: u64| {
        let limits = serde_json::json!({"memory_bytes": memory_bytes});
        plan(serde_json::json!({"id": "a", "image": "registry.example/grader:2", "run": ["x"], "files": files,
            "limits": limits}))
    };
    assert!(of(&deep(500, 3), 8 << 20).is_ok());
    // 8000 entries, of which 7000 have a name that doesn't fit into them.
    let files = deep(1_000, 100);
    let reason = of(&files, 8 << 20).expect_err("it can't fit").to_string();
    assert!(
        reason
            .starts_with("limits.memory_bytes: is 8388608, but the job's files and the stdin of tests[0] alone take 8"),
        "{reason}"
    );
    assert!(of(&files, 9 << 20).is_ok());
}

#[test]
fn tests_that_share_a_sandbox_have_their_largest_memory_set_aside() {
    let of = |more: serde_json::Value| {
        let mut job = serde_json::json!({"id": "a", "language": "c", "files": [{"path": "main.c", "content": ""}],
            "limits": {"memory_bytes": 8 << 20}, "compile_limits": {"memory_bytes": 32 << 20},
            "tests": [{"id": "1"}, {"id": "2", "limits": {"memory_bytes": 64 << 20}}, {"id": "3"}]});
        job.as_object_mut().expect("an object").extend(more.as_object().expect("an object").clone());
        let plan = plan(job).expect("the job is good");
        (plan.most_memory_bytes(plan.first_limits()) >> 20, plan.most_memory_bytes(&plan.tests[0].command.limits) >> 20)
    };
    assert_eq!(of(serde_json::json!({})), (64, 64));
    assert_eq!(of(serde_json::json!({"isolation": "test"})), (32, 8), "each has a sandbox of its own");
    assert_eq!(of(serde_json::json!({"compile_limits": {"memory_bytes": 128 << 20}})), (128, 64));
}

#[test]
fn a_snapshot_counts_where_tests_share_a_sandbox_and_only_there() {
    let content = "x".repeat(4 << 20);
    let of = |more: serde_json::Value| {
        let mut job = serde_json::json!({"id": "a", "image": "registry.example/grader:2", "run": ["x"],
            "files": [{"path": "data", "content": content}], "limits": {"memory_bytes": 8 << 20}});
        job.as_object_mut().expect("an object").extend(more.as_object().expect("an object").clone());
        let job = job::parse_with(job.to_string().as_bytes(), &job::Bounds { body_bytes: 8 << 20 });
        Plan::new(job.expect("the test's job is well formed"), &policy()).map(drop)
    };
    let tests = serde_json::json!([{"id": "1"}, {"id": "2"}]);
    assert!(of(serde_json::json!({})).is_ok(), "it runs in the files themselves");
    assert!(of(serde_json::json!({"tests": tests})).is_err());
    assert!(of(serde_json::json!({"tests": tests, "isolation": "test"})).is_ok());
    let compile = |memory_bytes: u64| {
        let limits = serde_json::json!({"memory_bytes": memory_bytes});
        of(serde_json::json!({"tests": tests, "compile": ["rm", "data"], "compile_limits": limits}))
    };
    assert!(compile(16 << 20).is_ok(), "nobody knows what the compile step leaves");
    let full = "x".repeat(8 << 20);
    let of_full = |memory_bytes: u64| {
        let job = serde_json::json!({"id": "a", "language": "c", "files": [{"path": "main.c", "content": full}],
            "compile_limits": {"memory_bytes": memory_bytes}});
        let job = job::parse_with(job.to_string().as_bytes(), &job::Bounds { body_bytes: 16 << 20 });
        Plan::new(job.expect("the test's job is well formed"), &policy()).map(drop)
    };
    let reason = of_full(8 << 20).expect_err("it can't fit").to_string();
    assert!(reason.starts_with("compile_limits.memory_bytes: is 8388608, but the job's files alone take"), "{reason}");
    assert!(of_full(16 << 20).is_ok());
}

#[test]
fn many_small_files_are_counted_by_what_they_take_and_their_snapshot_by_its_bytes() {
    let files: serde_json::Value =
        (0..1_000).map(|index| serde_json::json!({"path": index.to_string(), "content": "x"})).collect();
    let of = |memory_bytes: u64, disk_bytes: u64| {
        plan(serde_json::json!({"id": "a", "image": "registry.example/grader:2", "run": ["x"], "files": files,
            "tests": [{"id": "1"}, {"id": "2"}],
            "limits": {"memory_bytes": memory_bytes, "disk_bytes": disk_bytes}}))
    };
    assert!(of(8 << 20, 4_096_000).is_ok());
    assert!(of(8 << 20, 4_095_999).is_ok(), "a disk has whole pages, too");
    assert!(of(8 << 20, 4_091_904).is_err());
}

#[test]
fn an_allowed_image_brings_its_own_command() {
    let plan = plan(serde_json::json!({
        "id": "a", "image": "registry.example/grader:2", "run": ["/grade", "{main}"],
        "files": [{"path": "answer.txt", "content": ""}]
    }))
    .expect("the job is good");
    assert_eq!(plan.tests[0].command.argv, ["/grade", "answer.txt"]);
    assert!(plan.compile.is_none());
}

#[test]
fn a_job_takes_no_longer_than_its_limits_together_and_than_the_operator_lets_any_job_take() {
    let tests: Vec<_> = (0..10).map(|index| serde_json::json!({ "id": index.to_string() })).collect();
    let longest_ms = |wall_time_ms: u64| {
        let job = serde_json::json!({
            "id": "long", "language": "c", "files": [{"path": "main.c", "content": ""}], "tests": tests,
            "limits": { "wall_time_ms": wall_time_ms }, "compile_limits": { "wall_time_ms": 30_000 },
        });
        plan(job).expect("it is run as far as the time goes").longest_ms()
    };
    assert_eq!(longest_ms(6_000), 90_000);
    assert_eq!(longest_ms(200_000), 1_800_000);
}

#[test]
fn a_file_may_be_run_by_its_name_if_it_is_a_script_or_its_job_says_so() {
    let of = |file: serde_json::Value| {
        let mut file = file;
        file["path"] = "a".into();
        let plan = plan(serde_json::json!({ "id": "1", "language": "c", "files": [file] })).expect("it can be planned");
        plan.files[0].executable
    };
    assert!(of(serde_json::json!({ "content": "#!/bin/bash\n" })));
    assert!(of(serde_json::json!({ "content_base64": "IyE=" })), "in whatever form it comes");
    assert!(!of(serde_json::json!({ "content": "#!/bin/bash\n", "executable": false })));
    assert!(of(serde_json::json!({ "content": "int x;", "executable": true })));
    assert!(of(serde_json::json!({ "content": "\u{feff}#!/bin/bash\n" })), "a source's byte order mark is left out");
    for plain in ["", "#", " #!/bin/bash\n", "\n#!", "int x;", "\u{feff}int x;"] {
        assert!(!of(serde_json::json!({ "content": plain })), "{plain:?}");
    }

    let sha256 = crate::sha256::Sha256::of(b"#!/bin/bash");
    let job = serde_json::json!({
        "id": "1", "language": "c",
        "files": [{ "path": "a", "content_s3_uri": "s3://bucket/k", "content_sha256": sha256.to_string() }],
    });
    let job = job::parse(job.to_string().as_bytes()).expect("it is well formed");
    let mut data = Data::default();
    data.insert(sha256, "#!/bin/bash".into());
    let plan = Plan::with_data(job, &policy(), &data).expect("it can be planned");
    assert!(plan.files[0].executable, "what comes by way of S3 is looked at too");
}
