//! What a target starts from: the project's own examples of what it reads, and the words they are made of.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use caisson::config::Config;
use caisson::protocol::{Ended, Event, HEADER, Request, Restore, Stdin, Step, StepEnding, kind};

/// The project's top folder. This file is compiled in two packages, so that it is found upwards.
fn root() -> PathBuf {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    let root = here.ancestors().find(|folder| folder.join("tests/golden").is_dir());
    root.expect("the project's folder is above this one").to_owned()
}

/// Writes a target's seeds and its words (as libFuzzer's `-dict` takes them) to the folder in the variable
/// `CAISSON_FUZZ_START`, if there is one. The fuzzer calls this before it looks at any of its arguments.
pub fn write(target: &str) {
    let Some(folder) = std::env::var_os("CAISSON_FUZZ_START").map(PathBuf::from) else { return };
    std::fs::create_dir_all(folder.join("seeds")).expect("the folder can be made");
    for (number, seed) in of(target).iter().enumerate() {
        std::fs::write(folder.join(format!("seeds/{number:03}")), seed).expect("a seed can be written");
    }
    let quoted = |word: String| -> String { word.bytes().map(|byte| format!("\\x{byte:02x}")).collect() };
    let dictionary: String = words(target).into_iter().map(|word| format!("\"{}\"\n", quoted(word))).collect();
    std::fs::write(folder.join("dictionary"), dictionary).expect("the words can be written");
}

/// # Panics
/// When the project's own files aren't there.
pub fn of(target: &str) -> Vec<Vec<u8>> {
    match target {
        "job_parse" => ["tests/golden/jobs", "tests/golden/rejected"].iter().flat_map(|folder| files(folder)).collect(),
        "request_frame" => requests().iter().map(|request| without_header(request.encode(0))).collect(),
        "event_frame" => events().iter().map(|event| without_header(event.encode(0))).collect(),
        "sealed_frame" => sealed_frames(),
        "s3_pointer" => texts(&[
            r#"["software.amazon.payloadoffloading.PayloadS3Pointer",{"s3BucketName":"jobs","s3Key":"a/b c.json"}]"#,
            r#"["com.amazon.sqs.javamessaging.MessageS3Pointer", {"s3BucketName": "j.1-x", "s3Key": "\u00e9\ud83d\ude00"}]"#,
            r#" ["software.amazon.payloadoffloading.PayloadS3Pointer",{"s3BucketName":"B","s3Key":"../k"},7]"#,
            r#"["software.amazon.payloadoffloading.PayloadS3Pointer"]"#,
        ]),
        "trace_context" => traces(),
        "cgroup_text" => texts(&[
            "1503217845\n",
            "max\n",
            "oom_kill_disable 0\nunder_oom 0\noom_kill 3\n",
            "usage_usec 1517282\nuser_usec 1480000\nsystem_usec 37282\nnr_periods 0\n",
            "low 0\nhigh 0\nmax 120\noom 2\noom_kill 2\noom_group_kill 0\n",
            "oom_kill \noom_kill 18446744073709551616\noom_kill 18446744073709551615\n",
        ]),
        "proc_net_dev" => texts(&[
            "Inter-|   Receive  |  Transmit\n face |bytes    packets|bytes\n    lo:       0       0\n",
            "Inter-|   Receive  |  Transmit\n face |bytes    packets|bytes\n    lo: 0 0\n  eth0: 1538112 999\n",
            "a|\nb|\n",
        ]),
        "checkers" => comparisons(),
        "report_cut" => reports(),
        "config_parse" => {
            let defaults = Config::parse("", "").expect("the defaults have no mistakes").show();
            vec![defaults.into_bytes(), CONFIGURATION.into(), MISTAKES.into(), Vec::new()]
        }
        "language_parse" => languages(),
        "placeholders" => texts(&[
            "\u{d}src/Main.java\u{0}\u{1}-Xmx{memory_mb}m {main} {main_stem}.out",
            "\u{6}{main}\u{1}\u{0}{{main}}{main_stem}${main}{other} {main",
            "\u{7}.hidden\u{0}\u{0}{ main }{}{main_stem}",
        ]),
        other => panic!("no such target: {other}"),
    }
}

/// Words and marks of the format that a target reads, to put into its inputs.
pub fn words(target: &str) -> Vec<String> {
    let mut words = BTreeSet::new();
    let mut add = |more: &[&str]| words.extend(more.iter().map(|word| (*word).to_owned()));
    match target {
        "job_parse" => {
            split(
                r#"null {} [] "" 1e999 -0 \u0000 \ud800 18446744073709551616 .. {main} {main_stem} {memory_mb}"#,
                &mut add,
            );
            add(&["\u{85}", "\u{feff}", "\u{ffff}"]);
            keys(&caisson::job::schema().to_value(), &mut |key| {
                words.insert(format!("\"{key}\":"));
            });
        }
        "config_parse" | "language_parse" => {
            split(
                r#"[ ]] """ ' 0x 0b1 1_0 inf 1979-05-27 [languages.x] { "\u0085" {main} {other} refuse clamp"#,
                &mut add,
            );
            add(&[" = ", "\r\n", "18446744073709551616"]);
            keys(&schema_of_config(), &mut |key| {
                words.insert(key.to_owned());
            });
        }
        "checkers" => {
            split("nan -inf infinity 1e308 1e-308 0.1 +1 1. .5 e9", &mut add);
            add(&["\u{b}", "\r\n", " \n "]);
        }
        "s3_pointer" => {
            split(r#"{ } [ ] "s3BucketName": "s3Key": .. / \u0000 \ud800 \u002e null xn-- 127.0.0.1"#, &mut add);
            add(&["\u{85}", "\u{2028}"]);
        }
        "trace_context" => split("00- ff- - , = ; @ \t Root=1- Parent= Sampled= Self= a=b 0000000000000000", &mut add),
        "cgroup_text" => add(&["usage_usec ", "oom_kill ", "18446744073709551615", "+1", "\r", "\t"]),
        "proc_net_dev" => add(&["lo:", "|", "eth0:", "\n"]),
        "report_cut" => add(&["\u{ffff}", "\u{fffe}", "\0", "\"", "\\", "\u{7f}", "\u{1f600}"]),
        "placeholders" => add(&["{main}", "{main_stem}", "{memory_mb}", "{", "}", "$", "/", "."]),
        _ => {}
    }
    words.into_iter().collect()
}

fn split(words: &str, add: &mut dyn FnMut(&[&str])) {
    words.split(' ').for_each(|word| add(&[word]));
}

fn schema_of_config() -> serde_json::Value {
    serde_json::to_value(caisson::config::schema()).expect("a schema is JSON")
}

/// The names of all properties in a JSON Schema.
fn keys(schema: &serde_json::Value, take: &mut dyn FnMut(&str)) {
    match schema {
        serde_json::Value::Object(fields) => {
            for (name, value) in fields {
                if let ("properties", Some(properties)) = (name.as_str(), value.as_object()) {
                    properties.keys().for_each(|key| take(key));
                }
                keys(value, take);
            }
        }
        serde_json::Value::Array(values) => values.iter().for_each(|value| keys(value, take)),
        _ => {}
    }
}

fn texts(texts: &[&str]) -> Vec<Vec<u8>> {
    texts.iter().map(|text| text.as_bytes().to_vec()).collect()
}

/// The JSON files of a folder, in the order of their names.
fn files(folder: &str) -> Vec<Vec<u8>> {
    let entries = std::fs::read_dir(root().join(folder)).expect("the folder is there");
    let mut paths: Vec<PathBuf> = entries.map(|entry| entry.expect("it can be read").path()).collect();
    paths.retain(|path| path.extension().is_some_and(|extension| extension == "json"));
    paths.sort();
    paths.iter().map(|path| std::fs::read(path).expect("it can be read")).collect()
}

fn languages() -> Vec<Vec<u8>> {
    let images = std::fs::read_dir(root().join("images")).expect("the folder is there");
    let mut paths: Vec<PathBuf> =
        images.map(|entry| entry.expect("it can be read").path().join("language.toml")).collect();
    paths.retain(|path| path.is_file());
    paths.sort();
    paths.iter().map(|path| std::fs::read(path).expect("it can be read")).collect()
}

/// The kind and the payload, as the frame targets take them.
fn without_header(frame: Vec<u8>) -> Vec<u8> {
    let mut kept = vec![frame[4]];
    kept.extend_from_slice(&frame[HEADER..]);
    kept
}

fn requests() -> Vec<Request> {
    let step = Step {
        argv: vec![b"python3".to_vec(), b"main.py".to_vec(), Vec::new()],
        env: vec![b"PATH=/bin".to_vec(), b"LANG=C.UTF-8".to_vec()],
        stdin: Stdin::Bytes(300),
        restore: Restore::Keep,
        cpu_time_us: 2_000_000,
        wall_time_us: 6_000_000,
        cpu_wait_us: 0,
        file_wait_us: 0,
        output_bytes: 16 << 20,
        file_size_bytes: 64 << 20,
        open_files: 256,
        stack_bytes: 256 << 20,
    };
    vec![
        Request::Hello { version: 1, nonce: u64::MAX, key: [0xa5; 16] },
        Request::File { path: "src/главный.c".into(), executable: true, size: 12 },
        Request::Data(vec![0, 255, 10]),
        Request::EndOfInput,
        Request::Step(Step { stdin: Stdin::Stream, restore: Restore::No, ..step.clone() }),
        Request::Step(Step { restore: Restore::Last, ..step.clone() }),
        Request::Step(step),
        Request::Snapshot,
        Request::Collect,
        Request::Load { size: 4096 },
    ]
}

fn events() -> Vec<Event> {
    let mut events = vec![
        Event::Ready { version: 1, nonce: 7, cgroup: 2, landlock: 7, network: false, places: 7 },
        Event::Stdout(b"out".to_vec()),
        Event::Stderr(Vec::new()),
        Event::Snapshotted { size: 8192 },
        Event::Data(vec![7; 20]),
        Event::Collected,
        Event::Failed { operation: b"fork".to_vec(), errno: 11 },
    ];
    for ending in [StepEnding::Exited(0), StepEnding::Signalled(9), StepEnding::NotStarted(2)] {
        events.push(Event::Ended(Ended { ending, cpu_time_us: 1, oom_kills: 1, ..Ended::default() }));
    }
    debug_assert!(events.iter().all(|event| event.encode(0)[4] >= kind::READY));
    events
}

/// Key, sequence number, place, change, kind and payload; see the target.
fn sealed_frames() -> Vec<Vec<u8>> {
    let mut seeds = Vec::new();
    for (number, event) in events().iter().enumerate() {
        let number = number as u8;
        for key in [[0; 16], [number; 16]] {
            let mut seed = key.to_vec();
            seed.extend_from_slice(&[number % 2, 0, 0, 0, 3 * number, 0, number % 3]);
            seed.extend_from_slice(&without_header(event.encode(0)));
            seeds.push(seed);
        }
    }
    seeds
}

/// Which headers are there, the lengths of the first two, and the headers; see the target.
fn traces() -> Vec<Vec<u8>> {
    let parent = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
    let aws = "Root=1-5759e988-bd862e3fe1be46a994272793;Parent=53995c3f42cd8ad8;Sampled=1";
    let later = format!("cc{}-what-comes", &parent[2..]);
    let mut seeds = Vec::new();
    for (parent, state, aws) in [
        (parent, "congo=t61rcWkgMzE,rojo=00f067aa0ba902b7", aws),
        (
            later.as_str(),
            " a=1 ,\t,1t@s=!",
            "Self=1-67891234-12456789abcdef012345678;Root=1-67891233-abcdef012345678912345678",
        ),
        ("00-0-0-00", "a=1", "Sampled=?;Lineage=a87bd80c:1|68fd508a:5;Root=1-5759e988-bd862e3fe1be46a994272793"),
    ] {
        for absent in [0, 1, 4, 7] {
            let mut seed = vec![absent, parent.len() as u8];
            seed.extend_from_slice(&(state.len() as u16).to_le_bytes());
            seed.extend_from_slice([parent, state, aws].concat().as_bytes());
            seeds.push(seed);
        }
    }
    seeds
}

/// Checker, tolerances, chunk size, the expected output's length and the output; see the target.
fn comparisons() -> Vec<Vec<u8>> {
    let pairs = [
        ("1 2\n", "  1\r\n\t2"),
        ("a b\n\nc\n", "a b  \r\n\t\nc"),
        ("1.0 x nan -inf", "1.0000001  x NaN -Infinity"),
        ("Yes no", "yES\nNO\n"),
        ("a\n b\n\n", "a   \n b"),
    ];
    let mut seeds = Vec::new();
    for choice in [0, 1, 2, 2 | 8, 2 | 16, 3, 3 | 8, 1 | 32, 3 | 32] {
        for (expected, output) in pairs {
            let mut seed = vec![choice, 0x1b, 5, expected.len() as u8, 0];
            seed.extend_from_slice(expected.as_bytes());
            seed.extend_from_slice(output.as_bytes());
            seeds.push(seed);
        }
    }
    // Around the longest token that is a number.
    for length in [511u16, 512, 513, 1_100] {
        let digits = vec![b'1'; usize::from(length)];
        let mut seed = vec![3, 0x1b, 64];
        seed.extend_from_slice(&length.to_le_bytes());
        seed.extend_from_slice(&digits);
        seed.push(b'+');
        seed.extend_from_slice(&digits);
        seeds.push(seed);
    }
    seeds
}

/// Limit, verdict, flags, texts and streams; see the target.
fn reports() -> Vec<Vec<u8>> {
    let streams: [&[u8]; 4] = [b"", "text \u{1f600}\u{ffff}\0\"\\".as_bytes(), b"\xff\xfe bytes", &[b'x'; 900]];
    let mut seeds = Vec::new();
    for (number, limit) in [(1u8, 0u16), (4, 3_000), (7, 20_000), (31, 4_096)] {
        let mut seed = limit.to_le_bytes().to_vec();
        seed.extend_from_slice(&[number, number, number, number, 4]);
        seed.extend_from_slice(b"detail: ");
        seed.extend_from_slice(b"\x04host");
        for stream in streams.iter().cycle().skip(usize::from(number)).take(6) {
            seed.extend_from_slice(b"\x00\x00");
            seed.extend_from_slice(&(stream.len() as u16).to_le_bytes());
            seed.extend_from_slice(&[0, 8, number]);
            seed.extend_from_slice(stream);
        }
        seeds.push(seed);
    }
    seeds
}

const CONFIGURATION: &str = r#"above_maximum = "clamp"
[queue]
incoming_url = "https://sqs.example/a"
outgoing_url = "https://sqs.example/b"
wait_time_s = 0
[worker]
slots = 3
id = "w \"1\" é"
[sandbox]
first_uid = 0x5000
uids = 1_000
pin_cpus = false
[limits]
cpu_time_ms = 5000
[maximum]
memory_bytes = 536870912
[images]
allow = ["registry.example/grader:4"]
[log]
format = "json"
level = "info,caisson::queue=debug"
[languages.rust]
title = "Rust"
image = "caisson/rust"
extensions = ["rs"]
main = "main.rs"
compile = ["rustc", "-o", "{main_stem}", "{main}"]
run = ["./{main_stem}"]
env = { RUST_BACKTRACE = "1" }
limits = { processes = 8 }
compile_limits = { cpu_time_ms = 30000 }
"#;

const MISTAKES: &str = r#"above_maximum = "ignore"
colour = 1
[queue]
incoming_uri = ""
wait_time_s = 30
wait_time_s = 3
[worker
slots = -1
[languages.x]
run = ["{man}", 7]
extensions = "py"
"#;
