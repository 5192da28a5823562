//! The sandbox on a real engine: what every container is held to, what is measured, and that nothing is left.

mod support;

use std::collections::BTreeSet;

use serde_json::{Value, json};
use support::engine::{Leftovers, beside_the_agent, docker, gone, inspect, running_container_of, try_docker};
use support::jobs::{bash, c, of_test, python, stdout, test, verdict};
use support::lab::Lab;
use support::process::{caisson, signal};
use support::{unique, until, within};

const MIB: u64 = 1 << 20;

/// A job that runs until it is stopped, with a limit far behind the test's own patience.
fn endless() -> Value {
    bash("sleep 200", json!({ "limits": { "wall_time_ms": 240_000 } }))
}

/// What the tests of a job were judged, in order.
fn verdicts(report: &Value) -> Vec<&str> {
    report["tests"].as_array().unwrap_or_else(|| panic!("{report:#}")).iter().map(verdict).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn the_container_of_a_killed_process_ends_by_itself() {
    let worker = unique("killed");
    let _leftovers = Leftovers { worker: worker.clone(), volume: true };
    let folder = tempfile::tempdir().expect("a temporary folder can be made");
    let file = folder.path().join("endless.sh");
    std::fs::write(&file, "sleep 200").expect("the program can be written");
    let mut command = caisson(&worker, &["run", file.to_str().expect("the path is UTF-8")]);
    let mut process = command.spawn().expect("it can be started");
    running_container_of(&worker).await;
    signal(&process, libc::SIGKILL);
    within(5, "the end of the process", process.wait()).await.expect("it can be waited for");
    gone(&worker, 10).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn every_live_container_is_held_to_what_was_promised_and_no_two_share_a_user() {
    let lab = Lab::open(2).await;
    let jobs: Vec<_> = (0..2)
        .map(|_| {
            let lab = lab.clone();
            tokio::spawn(async move { lab.try_run(&endless()).await.map(drop) })
        })
        .collect();
    let filter = format!("label=caisson.worker={}", lab.worker);
    let live = until(60, "two running containers", async || {
        let list = docker(&["ps", "--quiet", "--filter", &filter, "--filter", "status=running"]).await;
        let ids: Vec<String> = list.lines().map(str::to_owned).collect();
        (ids.len() == 2).then_some(ids)
    })
    .await;

    let (mut users, mut cpus) = (BTreeSet::new(), BTreeSet::new());
    for id in &live {
        let container = inspect(id).await;
        let (config, host) = (&container["Config"], &container["HostConfig"]);
        let user = config["User"].as_str().expect("a user is set").to_owned();
        let (uid, gid) = user.split_once(':').expect("user and group are set");
        assert!(uid == gid && uid.parse::<u32>().is_ok_and(|uid| uid >= 1_000), "{user}");
        let promised = [
            (&host["Privileged"], json!(false)),
            (&host["CapDrop"], json!(["ALL"])),
            (&host["CapAdd"], json!(null)),
            (&host["ReadonlyRootfs"], json!(true)),
            (&host["IpcMode"], json!("none")),
            (&host["CgroupnsMode"], json!("private")),
            (&host["Memory"], json!(256 * MIB)),
            (&host["MemorySwap"], json!(256 * MIB)),
            (&host["OomKillDisable"], json!(false)),
            (&host["PidsLimit"], json!(65)),
            (&host["AutoRemove"], json!(true)),
            (&host["LogConfig"]["Type"], json!("none")),
            (&host["Binds"], json!(null)),
            (&host["Devices"], json!(null)),
            (&config["NetworkDisabled"], json!(true)),
            (&container["NetworkSettings"]["Networks"], json!({})),
            (&config["Tty"], json!(false)),
            (&config["OpenStdin"], json!(true)),
            (&config["StdinOnce"], json!(true)),
        ];
        for (index, (found, promise)) in promised.iter().enumerate() {
            assert_eq!(**found, *promise, "promise {index}: {container:#}");
        }
        let program = config["Entrypoint"][0].as_str().expect("there is an entry point");
        assert!(program.starts_with("/caisson/") && config["Entrypoint"][1].is_null(), "{config:#}");
        let variables = config["Env"].as_array().expect("there are variables");
        assert!(
            variables.len() == 1 && variables[0].as_str().is_some_and(|it| it.starts_with("PATH=")),
            "{variables:?}"
        );
        for shared in ["PidMode", "UTSMode", "UsernsMode"] {
            assert_ne!(host[shared], "host");
        }

        let mounts = container["Mounts"].as_array().expect("mounts are listed");
        assert_eq!(mounts.len(), 1, "the agent's volume and nothing else: {mounts:?}");
        assert_eq!((&mounts[0]["Destination"], &mounts[0]["RW"]), (&json!("/caisson"), &json!(false)));

        let options = host["SecurityOpt"].as_array().expect("there are security options");
        assert!(options.iter().any(|option| option == "no-new-privileges:true"), "{options:?}");
        let profile = options.iter().find_map(|option| option.as_str()?.strip_prefix("seccomp="));
        let profile: Value = serde_json::from_str(profile.expect("a seccomp profile is given")).expect("it is JSON");
        assert_eq!(profile["defaultAction"], "SCMP_ACT_ERRNO");
        assert_eq!(profile, caisson::sandbox::seccomp::profile());

        let ulimits = host["Ulimits"].as_array().expect("there are ulimits");
        let ulimit = |name: &str| ulimits.iter().find(|limit| limit["Name"] == name).expect(name).clone();
        for (name, value) in [("core", 1), ("nofile", 16_384), ("memlock", 65_536), ("msgqueue", 0)] {
            assert_eq!(ulimit(name), json!({ "Name": name, "Soft": value, "Hard": value }));
        }

        let tmpfs = host["Tmpfs"].as_object().expect("there are tmpfs mounts");
        assert_eq!(tmpfs.keys().collect::<Vec<_>>(), ["/box", "/dev/shm", "/tmp"]);
        for (place, options) in tmpfs {
            let options: Vec<&str> = options.as_str().expect("options are text").split(',').collect();
            for needed in ["nosuid", "nodev", "nr_inodes=16384", "mode=1777", "uid=0", "gid=0"] {
                assert!(options.contains(&needed), "{place}: {options:?}");
            }
            assert!(options.iter().any(|option| option.starts_with("size=")), "{place}: {options:?}");
        }
        users.insert(user);
        cpus.extend(host["CpusetCpus"].as_str().filter(|cpus| !cpus.is_empty()).map(str::to_owned));
    }
    assert_eq!(users.len(), 2, "{users:?}");
    assert_eq!(cpus.len(), if lab.pipeline.sandboxes.are_pinned() { 2 } else { 0 }, "{cpus:?}");

    // A job that is given up takes its container with it.
    for job in jobs {
        job.abort();
    }
    gone(&lab.worker, 10).await;
    lab.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_program_sees_no_privilege_no_network_and_nothing_to_write_but_its_own_folders() {
    let lab = Lab::open(1).await;
    let source = r#"
        grep -E '^(NoNewPrivs|Seccomp|CapInh|CapPrm|CapEff|CapBnd|CapAmb):' /proc/self/status | tr '\t' ' '
        echo interfaces: $(ls /sys/class/net)
        for folder in / /etc /usr/bin /caisson /proc/sys/kernel /sys /sys/fs/cgroup /run /var/tmp /home; do
            (echo x > $folder/written-by-a-test) 2>/dev/null && echo wrote to $folder
        done
        for folder in /box /tmp /dev/shm; do
            (echo x > $folder/written-by-a-test) && echo may write to $folder
        done
        (exec 3<>/dev/tcp/127.0.0.1/80) 2>/dev/null && echo has sockets
        cat /caisson/agent >/dev/null 2>&1 && echo can read the agent
        cat /proc/1/environ >/dev/null 2>&1 && echo can read the agent\'s environment
        kill -KILL 1 2>/dev/null
        kill -TERM 1 2>/dev/null
        echo still here
    "#;
    let report = lab.run(&bash(source, json!({}))).await;
    lab.close().await;
    let mut lines: Vec<&str> = stdout(&report).lines().collect();
    lines.sort_unstable();
    let none = "0000000000000000";
    let mut expected: Vec<String> =
        ["CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb"].iter().map(|set| format!("{set}: {none}")).collect();
    let rest = [
        "NoNewPrivs: 1",
        "Seccomp: 2",
        "interfaces: lo",
        "may write to /box",
        "may write to /dev/shm",
        "may write to /tmp",
        "still here",
    ];
    expected.extend(rest.map(str::to_owned));
    expected.sort_unstable();
    assert_eq!(lines, expected, "{report:#}");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_agents_volume_is_filled_again_when_somebody_removed_or_emptied_it() {
    let lab = Lab::open(1).await;
    let hello = bash("echo hello", json!({}));
    assert_eq!(stdout(&lab.run(&hello).await), "hello\n");
    gone(&lab.worker, 10).await;
    let volume = caisson::sandbox::agent::volume_name();
    // The engine keeps a volume that a container of another test has, but not what is in it. A removed one comes back
    // empty with the next container, so whichever of the two happens here, our next job finds it empty.
    let emptied = async || {
        let script = "rm -rf /volume/* && ls -A /volume";
        assert_eq!(beside_the_agent(&lab.worker, "/volume", script).await, "");
    };
    if try_docker(&["volume", "rm", &volume]).await.is_err() {
        emptied().await;
    }
    assert_eq!(stdout(&lab.run(&hello).await), "hello\n");
    emptied().await;
    assert_eq!(stdout(&lab.run(&hello).await), "hello\n");
    lab.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_missing_image_is_our_failure_and_says_what_builds_it() {
    let lab = Lab::with(1, "images.allow = [\"caisson/nothing:1\", \"nobody/nothing\"]").await;
    for (image, hint) in [
        (
            "caisson/nothing:1",
            "the image caisson/nothing:1 is missing on this host; build it with: just images nothing",
        ),
        ("nobody/nothing", "the image nobody/nothing is missing on this host; pull or build it before its jobs come"),
    ] {
        let job = json!({ "id": "x", "image": image, "files": [{ "path": "a", "content": "" }], "run": ["a"] });
        let error = lab.try_run(&job).await.expect_err("there is no such image");
        assert_eq!(error.to_string(), hint);
    }
    lab.close().await;
}

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

/// Prints the number it reads times its argument.
const TIMES: &str = r#"
#include <stdio.h>
#include <stdlib.h>
int main(int argc, char **argv) { long number; scanf("%ld", &number); printf("%ld\n", number * atol(argv[1])); }
"#;

/// A job of so many tests, of which every 17th expects something wrong; and the verdicts it should get.
fn many_tests(count: u64, factor: u64) -> (Value, Vec<&'static str>) {
    let is_wrong = |number: u64| number % 17 == 3;
    let tests: Vec<Value> = (0..count)
        .map(|number| {
            let expected = number * factor + u64::from(is_wrong(number));
            test(&format!("t{number}"), &number.to_string(), &expected.to_string())
        })
        .collect();
    let expected = (0..count).map(|number| if is_wrong(number) { "wrong_answer" } else { "accepted" }).collect();
    (c(TIMES, json!({ "tests": tests, "args": [factor.to_string()] })), expected)
}

fn assert_many(report: &Value, expected: &[&str], factor: u64) {
    assert_eq!(verdicts(report), expected);
    for (number, test) in report["tests"].as_array().into_iter().flatten().enumerate() {
        assert_eq!(test["id"], format!("t{number}"));
        assert_eq!(test["stdout"], format!("{}\n", number as u64 * factor), "{test:#}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn each_of_a_thousand_tests_of_one_job_is_right() {
    let lab = Lab::open(1).await;
    let (job, expected) = many_tests(1_000, 7);
    let report = lab.run(&job).await;
    lab.close().await;
    assert_many(&report, &expected, 7);
}

#[tokio::test(flavor = "multi_thread")]
async fn ten_jobs_of_fifty_tests_side_by_side_are_right_and_never_more_live_than_there_are_slots() {
    let lab = Lab::open(3).await;
    let jobs: Vec<_> = (1..=10u64)
        .map(|factor| {
            let lab = lab.clone();
            tokio::spawn(async move {
                let (job, expected) = many_tests(50, factor);
                assert_many(&lab.run(&job).await, &expected, factor);
            })
        })
        .collect();
    let filter = format!("label=caisson.worker={}", lab.worker);
    let mut most = 0;
    until(120, "ten jobs", async || {
        let live = docker(&["ps", "--quiet", "--filter", &filter, "--filter", "status=running"]).await.lines().count();
        most = most.max(live);
        jobs.iter().all(tokio::task::JoinHandle::is_finished).then_some(())
    })
    .await;
    for job in jobs {
        job.await.expect("every job is right");
    }
    assert!((1..=3).contains(&most), "{most} containers at a time on three slots");
    lab.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_test_whose_container_dies_is_a_runtime_error_and_the_next_one_gets_another_container() {
    let lab = Lab::open(1).await;
    let source = format!("{BIRTH}; if [[ $(cat) == wait ]]; then sleep 60; fi");
    let tests = json!([{ "id": "1" }, { "id": "2", "stdin": "wait" }, { "id": "3" }]);
    let job = bash(&source, json!({ "tests": tests, "limits": { "wall_time_ms": 60_000 } }));
    let running = tokio::spawn({
        let lab = lab.clone();
        async move { lab.run(&job).await }
    });
    let id = running_container_of(&lab.worker).await;
    // The second test sleeps, so this is the process that the kill will hit.
    until(30, "the second test", async || {
        docker(&["top", &id, "-o", "pid,args"]).await.lines().any(|line| line.ends_with(" sleep 60")).then_some(())
    })
    .await;
    docker(&["kill", &id]).await;
    let report = within(60, "the job", running).await.expect("the job is answered");
    lab.close().await;
    assert_eq!(verdicts(&report), ["completed", "runtime_error", "completed"], "{report:#}");
    assert_eq!((verdict(&report), report["reason"].as_str()), ("runtime_error", Some("sandbox")));
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
