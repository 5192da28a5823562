//! Hostile programs, each with the verdict it must get, and after each an honest job that must get its own.
//!
//! The programs are in `cases/`, a folder each; its `README.md` says how to add one. None of them is ever run but by
//! `caisson`. `CAISSON_TEST_CASES=name,name` runs only these; `CAISSON_TEST_RUNTIME=runsc` runs them under another runtime of
//! the engine's, against the table of what is different there (`just cases runsc`).

mod support;

use std::collections::BTreeMap;

use caisson::selftest::Case;
use serde_json::{Value, json};
use support::cases::{self, Complaints};
use support::engine::{Leftovers, containers_of, docker};
use support::process::{caisson, finish_within};
use support::runtimes::{self, Under};
use support::{PATIENCE, unique};

const FOLDER: &str = "tests/cases";

/// Every family has a test below, so that one that fails says which, and no test runs for long.
const FAMILIES: [&str; 10] =
    ["processes", "time", "memory", "output", "forge", "files", "judge", "system", "quotas", "compile"];

/// What a run of `caisson run --jobs` left: an answer to each job, and its log.
struct Answers {
    by_job: BTreeMap<String, Value>,
    log: String,
}

/// Runs jobs on two slots to the end of the last. Nothing of them may be left then.
async fn run(under: &Under, jobs: &[Value], complaints: &mut Complaints) -> Answers {
    let worker = unique("cases");
    let _leftovers = Leftovers::of(&worker);
    let folder = tempfile::tempdir().expect("a temporary folder can be made");
    let path = |name: &str| folder.path().join(name).into_os_string().into_string().expect("the path is UTF-8");
    let (jobs_file, results_file) = (path("jobs.jsonl"), path("results.jsonl"));
    let lines: String = jobs.iter().map(|job| format!("{job}\n")).collect();
    std::fs::write(&jobs_file, lines).expect("the jobs can be written");

    let arguments = ["run", "--jobs", &jobs_file, "--out", &results_file, "--concurrency", "2"];
    let mut command = caisson(&worker, &arguments);
    command.envs(under.environment());
    let ended = finish_within(PATIENCE * under.patience(), command, b"").await;
    if ended.code != Some(0) {
        complaints.add(format!("caisson ended with {:?}", ended.code));
    }
    let containers = containers_of(&worker).await;
    if !containers.is_empty() {
        complaints.add(format!("containers are left: {containers:?}"));
    }
    let volumes = docker(&["volume", "ls", "--quiet", "--filter", &format!("label=caisson.worker={worker}")]).await;
    if !volumes.is_empty() {
        complaints.add(format!("volumes are left: {volumes}"));
    }

    let mut by_job = BTreeMap::new();
    let text = std::fs::read_to_string(&results_file).expect("there are results");
    for line in text.lines() {
        let result: Value = serde_json::from_str(line).expect("a result is JSON");
        let id = result["job_id"].as_str().expect("every job has an id").to_owned();
        if by_job.insert(id.clone(), result).is_some() {
            complaints.add(format!("{id} was answered twice"));
        }
    }
    Answers { by_job, log: ended.stderr }
}

/// An honest job, whose verdict and output are known. C and Python by turns.
fn control(index: usize, after: &str) -> (Value, Value) {
    let (language, file, source) = if index.is_multiple_of(2) {
        let source = "#include <stdio.h>\nint main(void) { long a, b; scanf(\"%ld %ld\", &a, &b); printf(\"%ld\\n\", a + b); }\n";
        ("c", "main.c", source)
    } else {
        ("python3", "main.py", "print(sum(map(int, input().split())))\n")
    };
    let job = json!({
        "version": 1,
        "id": format!("after-{after}"),
        "language": language,
        "files": [{"path": file, "content": source}],
        "limits": {"cpu_time_ms": 5_000, "wall_time_ms": 30_000},
        "tests": [
            {"id": "small", "stdin": "1 2\n", "expected_stdout": "3\n"},
            {"id": "large", "stdin": format!("{index} 1000000000000\n"), "expected_stdout": format!("{}\n", 1_000_000_000_000 + index)},
        ],
    });
    let expected = json!({"verdict": "accepted", "tests": [{"verdict": "accepted"}, {"verdict": "accepted"}]});
    (job, expected)
}

/// Runs the cases of some families, an honest job behind each.
async fn family(name: &str) {
    let only = std::env::var("CAISSON_TEST_CASES").unwrap_or_default();
    let wanted = |case: &Case| only.is_empty() || only.split(',').any(|wanted| wanted == case.name);
    let all = cases::all(FOLDER).into_iter();
    let cases: Vec<Case> = all.filter(|case| cases::family(case) == name && wanted(case)).collect();
    assert!(!only.is_empty() || !cases.is_empty(), "there are cases of {name}");
    if cases.is_empty() {
        return;
    }
    let Some(under) = Under::chosen().await else { return };
    let mut complaints = Complaints::default();
    let mut jobs = Vec::new();
    let mut expected = Vec::new();
    for (index, case) in cases.into_iter().enumerate() {
        let (honest, accepted) = control(index, &case.name);
        expected.push((honest["id"].as_str().expect("it has one").to_owned(), vec![accepted]));
        expected.push((case.name.clone(), under.expected(&case)));
        jobs.extend([under.job(&case), honest]);
    }
    let answers = run(&under, &jobs, &mut complaints).await;
    for (name, expected) in &expected {
        complaints.check_any(name, expected, answers.by_job.get(name));
    }
    complaints.raise(&answers.log);
}

macro_rules! families {
    ($($test:ident: $family:literal;)*) => {
        $(#[tokio::test]
        async fn $test() {
            family($family).await;
        })*
    };
}

families! {
    processes_end_with_their_test: "processes";
    time_is_measured_whoever_uses_it: "time";
    memory_is_the_containers_whatever_it_is_used_for: "memory";
    output_has_an_end: "output";
    forged_answers_are_only_output: "forge";
    files_are_gone_before_the_next_test: "files";
    the_judge_is_out_of_reach: "judge";
    the_system_is_closed: "system";
    quotas_of_the_kernel_are_not_used_up: "quotas";
    compilers_are_attacked_in_vain: "compile";
}

#[test]
fn every_case_is_whole_and_belongs_to_a_family() {
    let cases = cases::all(FOLDER);
    for case in &cases {
        assert!(FAMILIES.contains(&cases::family(case)), "{} is of no family that is run", case.name);
        assert!(case.job["metadata"]["shows"].is_string(), "{} doesn't say what it shows", case.name);
        assert!(case.expected["verdict"].is_string(), "{} expects no verdict", case.name);
        caisson::job::parse(case.job.to_string().as_bytes()).unwrap_or_else(|error| panic!("{}: {error}", case.name));
    }
    assert!(cases.len() >= 75, "there are {} cases", cases.len());
}

/// The rows of the page's table of one runtime.
fn rows(runtime: &str, cases: &[Case]) -> String {
    let verdict = |value: &Value| {
        let word = |key: &str| value[key].as_str().map(str::to_owned);
        let reason = word("reason").or_else(|| {
            let tests = value["tests"].as_array()?;
            let same = tests.iter().find(|test| test["verdict"] == value["verdict"])?;
            same["reason"].as_str().map(str::to_owned)
        });
        let verdict = word("verdict").unwrap_or_else(|| "any".to_owned());
        reason.map_or_else(|| format!("`{verdict}`"), |reason| format!("`{verdict}` ({reason})"))
    };
    let mut rows = String::new();
    let mut table: Vec<_> = runtimes::table(runtime).into_iter().collect();
    table.sort_by(|(one, a), (other, b)| (a.kind, one).cmp(&(b.kind, other)));
    for (name, it) in table {
        let case = cases.iter().find(|case| case.name == name).unwrap_or_else(|| panic!("there is no case {name}"));
        assert!(!it.why.is_empty() && !it.expected.is_empty(), "{runtime}'s {name} says nothing");
        for expected in &it.expected {
            // A runtime may be stricter or clumsier, but never take for right what runc doesn't.
            let is_right = |value: &Value| value["verdict"] == "accepted" || value["verdict"] == "completed";
            assert!(!is_right(expected) || is_right(&case.expected), "{runtime} lets {name} pass");
        }
        let mut there: Vec<String> = it.expected.iter().map(verdict).collect();
        there.dedup();
        let (here, there) = (verdict(&case.expected), there.join(" or "));
        rows += &format!("| `{name}` | {here} | {there} | {} | {} |\n", it.kind.words(), it.why);
    }
    rows
}

#[test]
fn the_page_on_runtimes_has_the_tables_of_what_is_different() {
    let path = format!("{}/docs/runtimes.md", env!("CARGO_MANIFEST_DIR"));
    let page = std::fs::read_to_string(&path).expect("the page is there");
    let cases = cases::all(FOLDER);
    let mut wanted = page.clone();
    for runtime in runtimes::TABLED {
        let (begin, end) = (format!("<!-- begin {runtime} -->\n"), format!("<!-- end {runtime} -->"));
        let from = wanted.find(&begin).unwrap_or_else(|| panic!("the page has no place for {runtime}")) + begin.len();
        let to = from + wanted[from..].find(&end).unwrap_or_else(|| panic!("{runtime}'s place has no end"));
        let (rows, all) = (rows(runtime, &cases), cases.len());
        let text = format!(
            "\nOf {all} cases, {} end as under runc. The others:\n\n| case | runc | {runtime} | it is | why |\n| --- | --- | --- | --- | --- |\n{rows}\n",
            all - rows.lines().count()
        );
        wanted.replace_range(from..to, &text);
    }
    if std::env::var_os("CAISSON_WRITE_GOLDEN").is_some() {
        std::fs::write(&path, &wanted).expect("the page can be written");
    } else {
        assert!(
            page == wanted,
            "docs/runtimes.md isn't what the tables in tests/cases/ say; write it with CAISSON_WRITE_GOLDEN=1"
        );
    }
}

/// Much the same work each time, and none that depends on anything but the processor.
const WORK: &str = r#"
#include <stdio.h>

int main(void) {
    unsigned long long state = 88172645463325252ULL, sum = 0;
    for (int round = 0; round < 100000000; round++) {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        sum += state & 1;
    }
    printf("%llu\n", sum);
    return 0;
}
"#;

/// Those that burn, fill and flood the most.
const NEIGHBOURS: [&str; 14] = [
    "processes-bomb-c",
    "processes-detached",
    "time-grandchildren",
    "time-short-lived",
    "memory-memfd",
    "memory-pipes",
    "memory-page-tables",
    "memory-children",
    "output-both-streams",
    "output-daemons",
    "files-disk-full",
    "files-inodes-full",
    "files-nested",
    "quotas-user",
];

/// How much longer a neighbour's program may have taken at worst: the CPU's caches and the memory's bandwidth are shared,
/// and where a host gives less than a whole processor the other slot's work shows as well. What it mustn't be is a verdict.
const TOLERANCE: f64 = 3.0;

#[tokio::test]
async fn neighbours_get_the_same_verdicts_and_times() {
    const CLEAN: usize = 6;
    let clean = |index: usize| {
        json!({
            "version": 1,
            "id": format!("clean-{index}"),
            "language": "c",
            "files": [{"path": "main.c", "content": WORK}],
            "limits": {"cpu_time_ms": 5_000, "wall_time_ms": 30_000},
        })
    };
    let Some(under) = Under::chosen().await else { return };
    let mut complaints = Complaints::default();
    let alone: Vec<Value> = (0..CLEAN).map(clean).collect();
    let alone = run(&under, &alone, &mut complaints).await;

    let mut hostile: BTreeMap<String, Case> =
        cases::all(FOLDER).into_iter().map(|case| (case.name.clone(), case)).collect();
    let neighbours: Vec<Case> =
        NEIGHBOURS.iter().map(|name| hostile.remove(*name).unwrap_or_else(|| panic!("there is no {name}"))).collect();
    let mut beside = Vec::new();
    for (index, cases) in neighbours.chunks(NEIGHBOURS.len().div_ceil(CLEAN)).enumerate() {
        beside.push(clean(index));
        beside.extend(cases.iter().map(|case| under.job(case)));
    }
    beside.extend((beside.iter().filter(|job| is_clean(job)).count()..CLEAN).map(clean));
    let beside = run(&under, &beside, &mut complaints).await;

    let cpu_time =
        |answers: &Answers, id: &str| -> Option<f64> { answers.by_job.get(id)?["tests"][0]["cpu_time_ms"].as_f64() };
    for index in 0..CLEAN {
        let id = format!("clean-{index}");
        let expected = json!({"verdict": "completed"});
        complaints.check(&format!("{id} alone"), &expected, alone.by_job.get(&id));
        complaints.check(&format!("{id} beside"), &expected, beside.by_job.get(&id));
        let (Some(before), Some(after)) = (cpu_time(&alone, &id), cpu_time(&beside, &id)) else { continue };
        println!("{id}: {before} ms alone, {after} ms beside, ratio {:.2}", after / before);
        // gVisor counts threads that wait for a CPU as if they had one, so that there neighbours do show (docs/runtimes.md).
        if under.runtime.is_none() && !(1.0 / TOLERANCE..=TOLERANCE).contains(&(after / before)) {
            complaints.add(format!("{id} took {before} ms of CPU time alone, and {after} ms beside"));
        }
    }
    for case in &neighbours {
        complaints.check_any(&case.name, &under.expected(case), beside.by_job.get(&case.name));
    }
    complaints.raise(&beside.log);
}

fn is_clean(job: &Value) -> bool {
    job["id"].as_str().is_some_and(|id| id.starts_with("clean-"))
}
