//! Jobs as files: what is taken, and what is refused with which words.
//!
//! `golden/jobs/*.json` are taken. Each `golden/rejected/x.json` is refused with the words in `x.txt`, and with the job's id
//! in its second line. To write the `.txt` files anew: `CAISSON_WRITE_GOLDEN=1 cargo test --test golden`; then read the diff.

use std::fs;
use std::path::{Path, PathBuf};

use caisson::job::{self, Bounds, Content, Data, Environment, Isolation};

fn cases(directory: &str) -> Vec<PathBuf> {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden").join(directory);
    let entries = fs::read_dir(directory).expect("the directory is there");
    let mut paths: Vec<PathBuf> = entries.map(|entry| entry.expect("its entries can be read").path()).collect();
    paths.retain(|path| path.extension().is_some_and(|extension| extension == "json"));
    paths.sort();
    assert!(!paths.is_empty());
    paths
}

fn job(name: &str) -> job::Job {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/jobs").join(name);
    job::parse(&fs::read(path).expect("the job is there")).expect("it is taken")
}

fn bytes(content: &Content) -> Vec<u8> {
    content.bytes(&Data::default()).expect("it is in the message").to_vec()
}

#[test]
fn good_jobs_are_taken() {
    for path in cases("jobs") {
        if let Err(error) = job::parse(&fs::read(&path).expect("it can be read")) {
            panic!("{}: {error}", path.display());
        }
    }
}

#[test]
fn bad_jobs_are_refused_with_the_expected_words() {
    let write = std::env::var_os("CAISSON_WRITE_GOLDEN").is_some();
    let mut wrong = Vec::new();
    for path in cases("rejected") {
        let refused = job::parse(&fs::read(&path).expect("it can be read")).expect_err(&path.display().to_string());
        let said = format!("{refused}\njob_id: {}\n", refused.job_id.as_deref().unwrap_or("null"));
        let expected = path.with_extension("txt");
        if write {
            fs::write(&expected, &said).expect("it can be written");
        } else if fs::read_to_string(&expected).ok().as_deref() != Some(&said) {
            wrong.push(format!("{}:\n{said}", path.display()));
        }
    }
    assert!(wrong.is_empty(), "not as expected:\n{}", wrong.join("\n"));
}

#[test]
fn a_job_is_what_its_message_says() {
    let job = job("everything.json");
    assert_eq!(job.id, "A-z.0_9:x");
    assert_eq!(job.environment, Environment::Language("cpp".to_owned()));
    assert_eq!(bytes(&job.files[1].content), [0, 1, 2, 3]);
    assert_eq!(job.main.as_deref(), Some("src/main.cpp"));
    assert_eq!(job.args, ["one", "two words", ""]);
    assert_eq!(job.env.len(), 2);
    assert_eq!(job.tests[0].expected_stdout.as_ref().map(bytes), Some(b"ok".to_vec()));
    assert_eq!(job.tests[0].limits.disk_bytes, None);
    assert_eq!(job.limits.disk_bytes, Some(16 << 20));
    assert_eq!(job.compile_limits, job.limits);
    assert_eq!(job.capture_bytes, 0);
    assert_eq!(job.expires_at.map(|time| time.to_string()).as_deref(), Some("2030-01-02T01:04:05.678Z"));
    assert!(job.metadata.expect("it has some").get().contains("123456789012345678901234567890"));
}

#[test]
fn a_job_names_data_in_place_of_any_text() {
    let job = job("data.json");
    let references: Vec<_> =
        job.references().into_iter().map(|it| (it.field.as_str(), it.object.to_string())).collect();
    let object = |name: &str| format!("s3://course-tests/{name}");
    let expected = [
        ("files[1].content", object("graph.bin")),
        ("tests[0].stdin", object("large/1.in")),
        ("tests[0].expected_stdout", object("large/1.out")),
        ("tests[1].stdin", object("large/1.in")),
    ];
    assert_eq!(references, expected);
    let sha256 = |index: usize| job.references()[index].sha256;
    assert_eq!(sha256(1), sha256(3), "digits of either case");
    let stdin = &job.tests[0].stdin;
    let refused = stdin.bytes(&Data::default()).expect_err("nobody has fetched it").to_string();
    assert!(refused.starts_with("tests[0].stdin_s3_uri: names data in S3, and there is no store"), "{refused}");
    let mut data = Data::default();
    data.insert(sha256(1), "fetched".into());
    assert_eq!(stdin.bytes(&data).expect("it is there"), "fetched");
}

#[test]
fn what_a_job_leaves_out_takes_the_contracts_defaults() {
    for name in ["minimal.json", "nulls.json"] {
        let job = job(name);
        let test = &job.tests;
        assert_eq!((test.len(), test[0].id.as_str(), bytes(&test[0].stdin).len()), (1, "1", 0), "{name}");
        assert_eq!(test[0].expected_stdout, None, "{name}");
        assert_eq!(job.checker, caisson::checker::Checker::default(), "{name}");
        assert_eq!((job.capture_bytes, job.isolation, job.stop_on_failure), (65_536, Isolation::Job, false), "{name}");
        assert!(job.metadata.is_none() && job.run.is_none() && job.limits.cpu_time_ms.is_none(), "{name}");
    }
    assert_eq!(bytes(&job("stdin_base64.json").tests[0].stdin), [0, 255, b'!', b'\n']);
}

/// A job around `fields`, which begin with a comma.
fn around(fields: &str) -> String {
    format!(r#"{{"id":"big","language":"c","files":[{{"path":"a","content":""}}]{fields}}}"#)
}

fn repeated(count: usize, entry: impl Fn(usize) -> String) -> String {
    (0..count).map(entry).collect::<Vec<_>>().join(",")
}

#[test]
fn bombs_are_refused_by_name_and_cheaply() {
    let large = Bounds { body_bytes: 64 << 20 };
    let deep = |open: &str, close: &str, count: usize| open.repeat(count) + "1" + &close.repeat(count);
    let keys = |count| repeated(count, |index| format!("\"k{index}\":1"));
    let bombs = [
        (deep("[", "]", 200_000), "job: expected an object, is an array", false),
        ("[".repeat(1_000_000), "job: expected an object, is an array", false),
        (deep("{\"a\":", "}", 100_000), "a: is not a known field", false),
        (around(&format!(",\"metadata\":{}", deep("{\"a\":", "}", 1_000))), "is nested too deeply", true),
        (around(&format!(",\"metadata\":{}", deep("[", "]", 200_000))), "metadata: must have at most 8192", true),
        (around(&format!(",\"x\":{}", deep("[", "]", 400_000))), "x: is not a known field", true),
        (
            around(&format!(",\"checker\":{{\"type\":{}}}", deep("[", "]", 9_999))),
            "checker.type: expected a string",
            true,
        ),
        (around(&format!(",\"checker\":{{\"a\":{}}}", deep("[", "]", 9_999))), "checker.type: is missing", true),
        (format!("{{{}}}", keys(1_000_000)), "k0: is not a known field", false),
        (around(&format!(",\"env\":{{{}}}", keys(1_000_000))), "env.k0: expected a string, is 1", true),
        (
            around(&format!(",\"env\":{{{}}}", repeated(100_000, |index| format!("\"K{index}\":\"\"")))),
            "env: must have at most 128 entries",
            true,
        ),
        (around(&format!(",\"metadata\":{{{}}}", keys(1_000_000))), "metadata: must have at most 8192 bytes", true),
        (around(&format!(",\"args\":[{}]", repeated(300_000, |_| "\"\"".into()))), "args: must have at most 256", true),
        (
            around(&format!(",\"tests\":[{}]", repeated(10_000, |index| format!("{{\"id\":\"{index}\"}}")))),
            "tests: must have at most 2000 entries",
            true,
        ),
        (
            format!(
                r#"{{"id":"big","language":"c","files":[{}]}}"#,
                repeated(1_001, |index| format!("{{\"path\":\"{index}\",\"content\":\"\"}}"))
            ),
            "files: must have at most 1000 entries",
            true,
        ),
        (around(&format!(",\"args\":[\"{}\"]", "x".repeat(96 << 10))), "args: is too long: 98305 bytes", true),
        (
            around(&format!(",\"tests\":[{{\"id\":\"1\",\"args\":[\"{}\"]}}]", "x".repeat(96 << 10))),
            "tests[0].args: is too long",
            true,
        ),
        (around(&format!(",\"limits\":{{\"processes\":1{}}}", "0".repeat(1_000_000))), "limits.processes: ", true),
        (format!("{{\"{}\":1}}", "k".repeat(1_000_000)), "k…: is not a known field", false),
        (around(&format!(",\"stdin\":\"{}\"", "x".repeat(40 << 20))), "", true),
    ];
    for (body, words, has_id) in bombs {
        let start: String = body.chars().take(60).collect();
        let before = cpu_time();
        match job::parse_with(body.as_bytes(), &large) {
            Ok(_) => assert_eq!(words, "", "{start}"),
            Err(refused) => {
                let said = refused.to_string();
                assert!(said.contains(words) && !words.is_empty() && said.len() < 400, "{start}: {said}");
                assert_eq!(refused.job_id.as_deref(), has_id.then_some("big"), "{start}");
            }
        }
        // Far more than it needs, even unoptimized: against what is not linear.
        let used = cpu_time() - before;
        assert!(used.as_secs() < 10, "{start}: {used:?}");
    }
}

/// The CPU time of this thread, which others on the machine have no part in.
fn cpu_time() -> std::time::Duration {
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: it writes to a structure of ours that outlives the call.
    let outcome = unsafe { libc::clock_gettime(libc::CLOCK_THREAD_CPUTIME_ID, &raw mut time) };
    assert_eq!(outcome, 0, "{}", std::io::Error::last_os_error());
    let seconds = u64::try_from(time.tv_sec).expect("it is not negative");
    std::time::Duration::new(seconds, u32::try_from(time.tv_nsec).expect("it is below a second"))
}

#[test]
fn a_message_of_the_maximum_size_is_taken_and_one_byte_more_is_not() {
    let frame = around(",\"stdin\":\"\"").len();
    let body = around(&format!(",\"stdin\":\"{}\"", "x".repeat(job::MAX_BODY_BYTES - frame)));
    assert_eq!(body.len(), job::MAX_BODY_BYTES);
    let taken = job::parse(body.as_bytes()).expect("it is taken");
    assert_eq!(bytes(&taken.tests[0].stdin).len(), job::MAX_BODY_BYTES - frame);
    let refused = job::parse(format!("{body} ").as_bytes()).expect_err("one byte more");
    assert_eq!(refused.to_string(), "job: must have at most 1048576 bytes, has 1048577");
    assert_eq!(refused.job_id, None);
}

#[test]
fn a_job_of_two_thousand_tests_is_taken() {
    let body = around(&format!(",\"tests\":[{}]", repeated(2_000, |index| format!("{{\"id\":\"{index}\"}}"))));
    assert_eq!(job::parse(body.as_bytes()).expect("it is taken").tests.len(), 2_000);
}

#[test]
fn what_can_be_echoed_of_a_bad_job_is() {
    let refused = |body: &str| job::parse(body.as_bytes()).expect_err(body);
    let bad = refused(r#"{"metadata":{ "a": 1 },"nonsense":[1,{"id":2}],"id":"x"}"#);
    assert_eq!(bad.job_id.as_deref(), Some("x"));
    assert_eq!(bad.metadata.expect("it is echoed").get(), r#"{ "a": 1 }"#);
    let bad = refused(r#"{"metadata":{"a":1,"a":2},"id":"x"}"#);
    assert_eq!((bad.job_id.as_deref(), bad.metadata.is_none()), (Some("x"), true));
    assert_eq!(refused(r#"{"id":"x","nonsense":1"#).job_id, None);
    assert_eq!(refused(r#"{"nonsense":1,"id":"x y"}"#).job_id, None);
}
