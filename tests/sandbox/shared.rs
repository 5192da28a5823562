//! Which tests share a container, and what they find of one another.

use std::collections::BTreeSet;

use crate::support::engine::{docker, kill_agent, running_container_of};
use crate::support::jobs::{bash, c, of_test, python, test, verdict};
use crate::support::lab::Lab;
use crate::support::{until, within};
use crate::{MIB, verdicts};
use serde_json::{Value, json};

/// When PID 1 of the container was started, in clock ticks since boot: no two containers of a test have it in common,
/// since starting one takes many ticks.
const BIRTH: &str = "cut -d' ' -f22 /proc/1/stat";

#[tokio::test(flavor = "multi_thread")]
async fn tests_share_a_container_or_have_one_each_as_the_job_says_and_never_see_files_of_one_another() {
    let lab = Lab::open(1).await;
    let source = format!(
        "{BIRTH}; for folder in /box /tmp /dev/shm; do ls -A $folder; mkdir -p $folder/a/b; echo x > $folder/a/b/c; done"
    );
    let tests = json!([{ "id": "1" }, { "id": "2" }, { "id": "3" }]);
    for (isolation, containers) in [("job", 1), ("test", 3)] {
        let report = lab.run(&bash(&source, json!({ "tests": tests, "isolation": isolation }))).await;
        assert_eq!(verdict(&report), "completed", "{report:#}");
        let mut births = BTreeSet::new();
        for id in ["1", "2", "3"] {
            let output = of_test(&report, id)["stdout"].as_str().expect("it is text").to_owned();
            let (birth, seen) = output.split_once('\n').expect("there are several lines");
            assert!(birth.parse::<u64>().is_ok(), "{output}");
            births.insert(birth.to_owned());
            assert_eq!(seen, "main.sh\n", "test {id} saw what another one left");
        }
        assert_eq!(births.len(), containers, "isolation {isolation}: {births:?}");
    }
    lab.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_compiled_once_runs_in_the_container_of_each_test() {
    let lab = Lab::open(2).await;
    let source = r#"
        #include <stdio.h>
        int main(void) { int number; scanf("%d", &number); printf("%d", number * number); }
    "#;
    let tests = [test("1", "3", "9"), test("2", "12", "144"), test("3", "5", "26")];
    let report = lab.run(&c(source, json!({ "tests": tests, "isolation": "test" }))).await;
    lab.close().await;
    assert_eq!(verdicts(&report), ["accepted", "accepted", "wrong_answer"], "{report:#}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_test_whose_container_the_kernel_ends_is_over_its_memory_limit_and_the_next_one_gets_another_container() {
    let lab = Lab::open(1).await;
    let source = format!("{BIRTH}; if [[ $(cat) == wait ]]; then sleep 200; fi");
    let tests = json!([{ "id": "1" }, { "id": "2", "stdin": "wait" }, { "id": "3" }]);
    let job = bash(&source, json!({ "tests": tests, "limits": { "wall_time_ms": 240_000 } }));
    let running = tokio::spawn({
        let lab = lab.clone();
        async move { lab.run(&job).await }
    });
    let id = running_container_of(&lab.worker).await;
    // The second test sleeps, so this is the process that the kill will hit.
    until("the second test", async || {
        docker(&["top", &id, "-o", "pid,args"]).await.lines().any(|line| line.ends_with(" sleep 200")).then_some(())
    })
    .await;
    kill_agent(&id).await;
    let report = within("the job", running).await.expect("the job is answered");
    lab.close().await;
    assert_eq!(verdicts(&report), ["completed", "memory_limit", "completed"], "{report:#}");
    assert_eq!((verdict(&report), report["reason"].as_str()), ("memory_limit", None));
    let birth = |id: &str| of_test(&report, id)["stdout"].as_str().map(str::to_owned);
    assert!(birth("1") < birth("3"), "{report:#}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_test_leaves_running_is_gone_before_the_next_one() {
    let lab = Lab::open(1).await;
    // Own sessions, ignored signals, double forks: whoever survives would write into the next test's folder.
    let source = r#"
        import os, signal, sys, time
        print(len([name for name in os.listdir("/proc") if name.isdigit()]), os.path.exists("/tmp/alive"))
        for number in range(20):
            if os.fork() == 0:
                os.setsid()
                signal.signal(signal.SIGTERM, signal.SIG_IGN)
                if os.fork() == 0:
                    while True:
                        open("/tmp/alive", "w").close()
                        time.sleep(0.001)
                os._exit(0)
    "#
    .replace("\n        ", "\n");
    let tests: Vec<Value> = (0..5).map(|id| test(&id.to_string(), "", "2 False")).collect();
    let report = lab.run(&python(&source, json!({ "tests": tests }))).await;
    lab.close().await;
    assert_eq!(verdict(&report), "accepted", "{report:#}");
}

/// Fills its folder with mebibytes until there is no more room, and prints how many fitted in.
const FILL: &str = r#"
#include <stdio.h>
#include <string.h>
int main(void) {
    static char block[1 << 20];
    memset(block, 'x', sizeof block);
    FILE *file = fopen("large", "w");
    setvbuf(file, NULL, _IONBF, 0);
    int count = 0;
    while (fwrite(block, sizeof block, 1, file) == 1) count++;
    printf("%d\n", count);
    return 0;
}
"#;

#[tokio::test(flavor = "multi_thread")]
async fn a_test_has_the_disk_that_its_limits_say_whatever_the_compile_step_had() {
    let lab = Lab::open(1).await;
    for (run, compile) in [(4 * MIB, 32 * MIB), (32 * MIB, 4 * MIB), (8 * MIB, 8 * MIB)] {
        let mut job = c(FILL, json!({}));
        job["limits"] = json!({ "disk_bytes": run, "memory_bytes": 128 * MIB });
        job["compile_limits"] = json!({ "disk_bytes": compile });
        job["tests"] = json!([{ "id": "first" }, { "id": "second" }]);
        let report = lab.run(&job).await;
        for test in report["tests"].as_array().expect("there are tests") {
            // Less than all of it: the program itself lies there.
            let fitted: u64 = test["stdout"].as_str().and_then(|text| text.trim().parse().ok()).expect("a number");
            assert!((run / MIB - 1..run / MIB).contains(&fitted), "{fitted} MiB of {run} bytes: {report:#}");
        }
        assert_eq!(report["limits"]["run"]["disk_bytes"], run, "the result says what was in force");
    }
    lab.close().await;
}
