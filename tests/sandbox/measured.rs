//! Times, memory and processes: what is measured, and what is limited.

use crate::support::jobs::{bash, c, of_test, verdict};
use crate::support::lab::Lab;
use crate::{MIB, verdicts};
use serde_json::{Value, json};

/// Burns CPU time for as many milliseconds as its argument says, and prints its own account of it in microseconds.
const BURN: &str = r#"
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
static long used(void) {
    struct rusage usage;
    getrusage(RUSAGE_SELF, &usage);
    return (usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) * 1000000L + usage.ru_utime.tv_usec + usage.ru_stime.tv_usec;
}
int main(int argc, char **argv) {
    while (used() < atol(argv[1]) * 1000) ;
    printf("%ld\n", used());
}
"#;

#[tokio::test(flavor = "multi_thread")]
async fn the_cpu_time_of_each_test_is_what_the_program_itself_counted() {
    let lab = Lab::open(1).await;
    let tests: Vec<Value> = [300, 1, 300]
        .iter()
        .enumerate()
        .map(|(id, ms)| json!({ "id": id.to_string(), "args": [ms.to_string()] }))
        .collect();
    let report = lab.run(&c(BURN, json!({ "tests": tests }))).await;
    lab.close().await;
    assert_eq!(verdict(&report), "completed", "{report:#}");
    for (id, at_least) in [("0", 300.0), ("1", 1.0), ("2", 300.0)] {
        let test = of_test(&report, id);
        let own: f64 = test["stdout"].as_str().and_then(|text| text.trim().parse().ok()).expect("it prints a number");
        let (own, measured) = (own / 1e3, test["cpu_time_ms"].as_f64().expect("a number"));
        assert!(own >= at_least, "{test:#}");
        // Starting the program is ours to count and not in its own account: a few milliseconds.
        assert!((measured - own).abs() <= 0.2 * own + 10.0, "{measured} ms measured, {own} ms by its own account");
        assert!(test["wall_time_ms"].as_f64().is_some_and(|wall| wall + 1.0 >= own), "{test:#}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_cpu_time_of_processes_that_nobody_waits_for_counts() {
    let lab = Lab::open(1).await;
    // The grandchild burns, its parent is gone, and the program itself only sleeps.
    let source = "(while :; do :; done) & disown; sleep 80; echo out of reach";
    let report = lab.run(&bash(source, json!({ "limits": { "cpu_time_ms": 300, "wall_time_ms": 90_000 } }))).await;
    lab.close().await;
    assert_eq!((verdict(&report), report["reason"].as_str()), ("time_limit", Some("cpu")), "{report:#}");
    let used = report["tests"][0]["cpu_time_ms"].as_u64().expect("a number");
    // The overrun is how late the agent looks, on a busy host.
    assert!((300..1_000).contains(&used), "{used} ms");
}

/// Takes as many MiB of memory as its argument says, touches all of it, and prints the number.
const TAKE: &str = r#"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
int main(int argc, char **argv) {
    size_t size = atol(argv[1]) << 20;
    char *memory = malloc(size);
    if (!memory) return 1;
    memset(memory, 1, size);
    long sum = 0;
    for (size_t at = 0; at < size; at += 4096) sum += memory[at];
    printf("%ld\n", sum >> 8);
}
"#;

#[tokio::test(flavor = "multi_thread")]
async fn the_memory_peak_of_each_test_is_its_own() {
    let lab = Lab::open(1).await;
    let mib = [100, 1, 50, 120, 2];
    let tests: Vec<Value> = mib
        .iter()
        .enumerate()
        .map(|(id, mib)| json!({ "id": id.to_string(), "args": [mib.to_string()], "expected_stdout": mib.to_string() }))
        .collect();
    let report = lab.run(&c(TAKE, json!({ "tests": tests }))).await;
    lab.close().await;
    assert_eq!(verdict(&report), "accepted", "{report:#}");
    for (id, mib) in mib.iter().enumerate() {
        let peak = of_test(&report, &id.to_string())["memory_peak_bytes"].as_u64().expect("a number");
        assert!((mib * MIB..(mib + 30) * MIB).contains(&peak), "{mib} MiB taken, {} MiB reported", peak >> 20);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn each_test_of_a_job_has_its_own_memory_limit_whichever_came_before() {
    let lab = Lab::open(1).await;
    // (limit in MiB, taken in MiB, verdict); the second 16 is below what runc itself needs to start.
    let cases = [
        (64, 30, "completed"),
        (64, 100, "memory_limit"),
        (256, 100, "completed"),
        (16, 30, "memory_limit"),
        (16, 4, "completed"),
        (512, 400, "completed"),
        (64, 100, "memory_limit"),
    ];
    let tests: Vec<Value> = cases
        .iter()
        .enumerate()
        .map(|(id, (limit, taken, _))| {
            json!({ "id": id.to_string(), "args": [taken.to_string()], "limits": { "memory_bytes": limit * MIB } })
        })
        .collect();
    let report = lab.run(&c(TAKE, json!({ "tests": tests }))).await;
    lab.close().await;
    assert_eq!(verdicts(&report), cases.map(|(_, _, verdict)| verdict), "{report:#}");
}

/// Starts processes (or threads) until there can be no more, and prints how many live, itself included.
const BREED: &str = r#"
#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>
static void *wait_for_ever(void *nothing) { for (;;) pause(); return nothing; }
int main(int argc, char **argv) {
    int threads = !strcmp(argv[1], "threads"), alive = 1, error = 0;
    while (alive < 1000) {
        pthread_t thread;
        if (threads) {
            error = pthread_create(&thread, NULL, wait_for_ever, NULL);
        } else {
            pid_t pid = fork();
            if (pid == 0) wait_for_ever(NULL);
            error = pid < 0 ? errno : 0;
        }
        if (error) break;
        alive++;
    }
    printf("%d %s\n", alive, error == EAGAIN ? "EAGAIN" : strerror(error));
}
"#;

#[tokio::test(flavor = "multi_thread")]
async fn exactly_as_many_processes_or_threads_live_as_a_test_may_have() {
    let lab = Lab::open(1).await;
    let cases =
        [("processes", 5), ("threads", 5), ("processes", 1), ("threads", 100), ("processes", 40), ("threads", 2)];
    let tests: Vec<Value> = cases
        .iter()
        .map(|(kind, limit)| {
            json!({
                "id": format!("{limit}-{kind}"),
                "args": [kind],
                "expected_stdout": format!("{limit} EAGAIN"),
                "limits": { "processes": limit },
            })
        })
        .collect();
    let report = lab.run(&c(BREED, json!({ "tests": tests }))).await;
    lab.close().await;
    assert_eq!(verdict(&report), "accepted", "{report:#}");
}

/// Two threads that burn CPU time for as many milliseconds as the argument says, each by the clock on the wall.
const TWO_BURN: &str = r#"
#include <pthread.h>
#include <stdlib.h>
#include <time.h>
static long until;
static long now(void) {
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return time.tv_sec * 1000 + time.tv_nsec / 1000000;
}
static void *burn(void *nothing) { while (now() < until) ; return nothing; }
int main(int argc, char **argv) {
    until = now() + atol(argv[1]);
    pthread_t other;
    pthread_create(&other, NULL, burn, NULL);
    burn(NULL);
    pthread_join(other, NULL);
}
"#;

#[tokio::test(flavor = "multi_thread")]
async fn a_result_says_what_disturbed_its_measurement_and_which_test_was_throttled() {
    // Without a CPU of its own a sandbox has one CPU's worth of time, of which two threads want more.
    let lab = Lab::set(1, "", |settings| settings.pin_cpus = false).await;
    let tests = json!([{ "id": "burns", "args": ["1500"] }, { "id": "rests", "args": ["0"] }]);
    let limits = json!({ "cpu_time_ms": 10_000, "wall_time_ms": 60_000 });
    let report = lab.run(&c(TWO_BURN, json!({ "tests": tests, "limits": limits }))).await;
    lab.close().await;
    assert_eq!(verdict(&report), "completed", "{report:#}");
    let timing = &report["timing"];
    let figure = |name: &str| timing[name].as_u64().unwrap_or_else(|| panic!("no {name}: {report:#}"));
    let steps: u64 = [&report["compile"], of_test(&report, "burns"), of_test(&report, "rests")]
        .iter()
        .map(|step| step["wall_time_ms"].as_u64().expect("a number"))
        .sum();
    // Each step's wall time is rounded up.
    assert!(figure("span_ms") + 3 >= steps, "{report:#}");
    assert!(figure("cpus") >= 1 && figure("steal_ms") <= figure("span_ms") * figure("cpus") + 20, "{report:#}");
    // On a host whose cores are all busy the two threads may never get more than their share.
    let throttled = of_test(&report, "burns")["throttled_ms"].as_u64().unwrap_or(0);
    assert!(figure("throttled_ms") >= throttled, "{report:#}");
    assert_eq!(figure("throttled_periods") > 0, figure("throttled_ms") > 0, "{report:#}");
    assert!(figure("throttled_ms") <= figure("span_ms") * figure("cpus") + 200, "{report:#}");
    assert!(figure("involuntary_switches") > 0, "two threads on one CPU's time: {report:#}");
    let has_pressure = std::fs::read_to_string("/proc/pressure/cpu").is_ok();
    assert_eq!(timing["host_pressure"]["cpu_ms"].is_u64(), has_pressure, "{report:#}");
    let version_2 = report["sandbox"]["cgroup"] == 2;
    assert!(version_2 || timing["sandbox_pressure"].is_null(), "{report:#}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_job_that_is_not_run_has_no_timing() {
    let lab = Lab::open(1).await;
    let report = lab.run(&json!({ "id": "x", "language": "no such", "files": [{ "path": "a", "content": "" }] })).await;
    lab.close().await;
    assert_eq!(verdict(&report), "rejected", "{report:#}");
    assert!(report["timing"].is_null(), "{report:#}");
}
