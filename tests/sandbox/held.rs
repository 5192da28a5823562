//! What a container is held to, how it ends, and what it needs to begin.

use std::collections::BTreeSet;

use crate::support::engine::{Leftovers, beside_the_agent, docker, gone, inspect, running_container_of, try_docker};
use crate::support::jobs::{bash, stdout};
use crate::support::lab::Lab;
use crate::support::process::{caisson, signal};
use crate::support::{unique, until, within};
use crate::{MIB, endless};
use serde_json::{Value, json};

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
    within("the end of the process", process.wait()).await.expect("it can be waited for");
    gone(&worker).await;
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
    let live = until("two running containers", async || {
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
        assert!(options.iter().any(|option| option == "no-new-privileges=true"), "{options:?}");
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
    gone(&lab.worker).await;
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
        cat /caisson/agent.readable >/dev/null 2>&1 && echo can read the other agent
        ls /caisson >/dev/null 2>&1 && echo can read the folder of the agent, and watch it
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
    gone(&lab.worker).await;
    let volume = caisson::sandbox::agent::volume_name(false);
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
