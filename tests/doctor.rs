//! `caisson doctor` on a real engine: a sandbox as it is has every promise kept, and one with a wall taken down is seen to
//! be without that wall, and without no other.

mod support;

use std::collections::BTreeSet;

use caisson::doctor::{Verdict, examine_sandbox, probe, sandbox};
use caisson::sandbox::{Sandboxes, Settings};
use serde_json::{Value, json};
use support::engine::{self, Leftovers, containers_of, docker, try_docker};
use support::process::{caisson, finish};
use support::{unique, within};

fn settings(worker: &str) -> Settings {
    Settings { engine_socket: engine::socket(), pin_cpus: false, worker_id: worker.to_owned(), ..Settings::default() }
}

/// Looks into a sandbox whose create call was changed; the checks that it breaks.
async fn broken_by(weaken: fn(&mut Value)) -> BTreeSet<&'static str> {
    let worker = unique("doctor");
    let _leftovers = Leftovers::of(&worker);
    let settings = settings(&worker);
    let opened = within("open the engine", Sandboxes::open_weakened(settings.clone(), weaken)).await;
    let sandboxes = opened.unwrap_or_else(|error| panic!("{error}"));
    let seen = within("a look around", examine_sandbox(&sandboxes, &worker)).await;
    let kernel = std::fs::read_to_string("/proc/sys/kernel/osrelease").expect("there is a kernel");
    let asked = sandbox::Asked {
        host_kernel: kernel.trim_end().to_owned(),
        host_swaps: true,
        ..probe::asked(&settings, sandboxes.are_pinned())
    };
    let findings = sandbox::judge(&seen, &asked);
    within("close the sandboxes", sandboxes.close()).await;
    assert_eq!(containers_of(&worker).await, Vec::<String>::new(), "containers were left behind");
    for finding in &findings {
        assert!(finding.verdict == Verdict::Good || finding.advice.is_some(), "{finding:?}");
    }
    let broken = findings.iter().filter(|finding| finding.verdict == Verdict::Broken);
    broken.inspect(|finding| println!("{} {}", finding.check, finding.measured)).map(|finding| finding.check).collect()
}

/// Breaks exactly these.
async fn breaks(weaken: fn(&mut Value), expected: &[&str]) {
    let expected: BTreeSet<&str> = expected.iter().copied().collect();
    assert_eq!(broken_by(weaken).await, expected);
}

fn without(list: &mut Value, beginning: &str) {
    let list = list.as_array_mut().expect("it is a list");
    let before = list.len();
    list.retain(|it| !it.as_str().is_some_and(|it| it.starts_with(beginning)));
    assert!(list.len() < before, "there was nothing to take away");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sandbox_as_it_is_breaks_no_promise() {
    breaks(|_| {}, &[]).await;
}

fn with_profile(body: &mut Value, profile: &str) {
    without(&mut body["HostConfig"]["SecurityOpt"], "seccomp=");
    body["HostConfig"]["SecurityOpt"].as_array_mut().expect("it is a list").push(format!("seccomp={profile}").into());
}

#[tokio::test(flavor = "multi_thread")]
async fn with_a_seccomp_profile_that_allows_everything_calls_and_sockets_get_through() {
    let mut broken = broken_by(|body| {
        let rule = json!({ "names": ["reboot"], "action": "SCMP_ACT_ERRNO" });
        with_profile(body, &json!({ "defaultAction": "SCMP_ACT_ALLOW", "syscalls": [rule] }).to_string());
    })
    .await;
    // Without a profile setpgid, ptrace and the like are judged by the kernel alone, which still refuses them.
    assert!(broken.remove("sandbox.namespaces"), "a mount family call at least comes back with another errno");
    assert_eq!(broken, BTreeSet::from(["sandbox.calls", "sandbox.sockets"]));
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_seccomp_profile_the_agent_refuses_the_same_calls_and_it_is_told() {
    breaks(|body| with_profile(body, "unconfined"), &["sandbox.seccomp"]).await;
}

/// As an AppArmor profile refuses it, of which this host may have none.
#[tokio::test(flavor = "multi_thread")]
async fn an_agent_that_can_end_nobody_says_so_before_any_program_runs() {
    let weaken = |body: &mut Value| {
        let options = body["HostConfig"]["SecurityOpt"].as_array_mut().expect("it is a list");
        let profile =
            options.iter_mut().find_map(|option| option.as_str()?.strip_prefix("seccomp=").map(str::to_owned));
        let mut profile: Value = serde_json::from_str(&profile.expect("there is a profile")).expect("it is JSON");
        let rules = profile["syscalls"].as_array_mut().expect("it has rules");
        for rule in rules.iter_mut() {
            rule["names"].as_array_mut().expect("a rule has names").retain(|name| name != "kill");
        }
        rules.push(json!({ "names": ["kill"], "action": "SCMP_ACT_ERRNO", "errnoRet": libc::EACCES }));
        with_profile(body, &profile.to_string());
    };
    breaks(weaken, &["sandbox.signals"]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn added_capabilities_are_seen_in_the_bounding_set() {
    breaks(|body| body["HostConfig"]["CapAdd"] = json!(["SYS_ADMIN", "NET_RAW"]), &["sandbox.capabilities"]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn capabilities_that_werent_dropped_are_seen() {
    breaks(|body| body["HostConfig"]["CapDrop"] = json!([]), &["sandbox.capabilities"]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_engine_that_sets_no_new_privileges_not_is_seen_though_the_agent_does() {
    let weaken = |body: &mut Value| without(&mut body["HostConfig"]["SecurityOpt"], "no-new-privileges");
    breaks(weaken, &["sandbox.no-new-privileges"]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_writable_root_is_seen() {
    breaks(|body| body["HostConfig"]["ReadonlyRootfs"] = json!(false), &["sandbox.root"]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_network_is_seen_and_nothing_is_run_beside_it() {
    breaks(|body| body["NetworkDisabled"] = json!(false), &["sandbox.network"]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn memory_without_a_limit_is_seen_and_has_no_bound_on_swap_either() {
    let weaken = |body: &mut Value| {
        body["HostConfig"]["Memory"] = json!(0);
        body["HostConfig"]["MemorySwap"] = json!(0);
    };
    breaks(weaken, &["sandbox.memory", "sandbox.swap"]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn swap_on_top_of_memory_is_seen() {
    let weaken = |body: &mut Value| {
        let memory = body["HostConfig"]["Memory"].as_i64().expect("there is a limit");
        body["HostConfig"]["MemorySwap"] = json!(2 * memory);
    };
    breaks(weaken, &["sandbox.swap"]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn processes_without_a_limit_are_seen() {
    breaks(|body| body["HostConfig"]["PidsLimit"] = json!(-1), &["sandbox.processes"]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn cpu_time_without_a_limit_is_seen() {
    breaks(|body| body["HostConfig"]["NanoCpus"] = json!(0), &["sandbox.cpus"]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_tmpfs_without_a_number_of_inodes_is_seen() {
    let weaken = |body: &mut Value| {
        for (_, options) in body["HostConfig"]["Tmpfs"].as_object_mut().expect("there are some") {
            let kept: Vec<&str> =
                options.as_str().expect("text").split(',').filter(|it| !it.starts_with("nr_inodes")).collect();
            *options = kept.join(",").into();
        }
    };
    breaks(weaken, &["sandbox.places"]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_engines_own_shared_memory_is_seen() {
    let weaken = |body: &mut Value| {
        body["HostConfig"]["IpcMode"] = json!("private");
        body["HostConfig"]["Tmpfs"].as_object_mut().expect("there are some").remove("/dev/shm");
    };
    breaks(weaken, &["sandbox.places"]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_volume_that_can_be_written_is_seen() {
    let weaken = |body: &mut Value| {
        body["HostConfig"]["Mounts"].as_array_mut().expect("it is a list").push(json!({
            "Type": "bind", "Source": "/tmp", "Target": "/host",
        }));
    };
    breaks(weaken, &["sandbox.places"]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_program_that_is_root_is_seen_though_it_can_write_nowhere_new() {
    let weaken = |body: &mut Value| {
        body["User"] = json!("0:0");
        // Or it couldn't even open its workspace, being a root without capabilities.
        for (_, options) in body["HostConfig"]["Tmpfs"].as_object_mut().expect("there are some") {
            let kept: Vec<&str> = options.as_str().expect("text").split(',').filter(|it| !it.contains("id=")).collect();
            *options = kept.join(",").into();
        }
    };
    breaks(weaken, &["sandbox.user"]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn kernel_files_that_arent_covered_are_seen() {
    let weaken = |body: &mut Value| body["HostConfig"]["MaskedPaths"] = json!([]);
    breaks(weaken, &["sandbox.masked-files"]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn kernel_settings_that_arent_read_only_are_seen() {
    let weaken = |body: &mut Value| body["HostConfig"]["ReadonlyPaths"] = json!([]);
    breaks(weaken, &["sandbox.kernel-files"]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_device_of_the_host_is_seen() {
    let weaken = |body: &mut Value| {
        body["HostConfig"]["Devices"] =
            json!([{ "PathOnHost": "/dev/kmsg", "PathInContainer": "/dev/kmsg", "CgroupPermissions": "rw" }]);
    };
    breaks(weaken, &["sandbox.devices"]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_hosts_own_name_is_seen() {
    let weaken = |body: &mut Value| {
        body["HostConfig"]["UTSMode"] = json!("host");
        body["Hostname"] = json!("");
    };
    breaks(weaken, &["sandbox.hostname"]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_privileged_container_is_seen_for_all_that_it_is() {
    let weaken = |body: &mut Value| body["HostConfig"]["Privileged"] = json!(true);
    let broken = broken_by(weaken).await;
    // Not calls and sockets: where there is no profile, the agent refuses them itself.
    for check in ["capabilities", "seccomp", "kernel-files", "masked-files", "devices"] {
        assert!(broken.contains(format!("sandbox.{check}").as_str()), "{check} is not among {broken:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_container_that_cant_start_is_one_finding_with_the_engines_reason() {
    breaks(|body| body["HostConfig"]["CpusetCpus"] = json!("4000"), &["sandbox.start"]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_command_reports_every_area_as_json() {
    let worker = unique("doctor");
    let ended = finish(caisson(&worker, &["doctor", "--json"]), b"").await;
    let findings: Value =
        serde_json::from_slice(&ended.stdout).unwrap_or_else(|error| panic!("{error}: {}", ended.stderr));
    let findings = findings.as_array().expect("it is an array");
    let areas: BTreeSet<&str> = findings.iter().filter_map(|finding| finding["area"].as_str()).collect();
    assert_eq!(areas, BTreeSet::from(["engine", "images", "kernel", "queues", "sandbox", "timing"]));
    let is_broken = |finding: &&Value| finding["verdict"] == "broken";
    assert_eq!(ended.code, Some(i32::from(findings.iter().any(|finding| is_broken(&finding)))), "{findings:#?}");
    for finding in findings {
        assert!(finding["verdict"] == "good" || finding["advice"].is_string(), "{finding:#}");
    }
    let of_sandbox: Vec<&Value> = findings.iter().filter(|finding| finding["area"] == "sandbox").collect();
    assert_eq!(of_sandbox.len(), sandbox::CHECKS.len());
    assert_eq!(of_sandbox.into_iter().filter(is_broken).collect::<Vec<_>>(), Vec::<&Value>::new());
}

#[tokio::test(flavor = "multi_thread")]
async fn the_image_that_was_made_to_look_around_in_goes_with_the_sandboxes() {
    let worker = unique("doctor");
    let _leftovers = Leftovers::of(&worker);
    let opened = within("open the engine", Sandboxes::open(settings(&worker))).await;
    let sandboxes = opened.unwrap_or_else(|error| panic!("{error}"));
    let seen = within("a look around", examine_sandbox(&sandboxes, &worker)).await;
    assert!(matches!(seen, sandbox::Probe::Told(_)), "{seen:?}");
    let image = within("the image", sandboxes.bare_image()).await.unwrap_or_else(|error| panic!("{error}"));
    docker(&["image", "inspect", &image.reference]).await;
    within("close the sandboxes", sandboxes.close()).await;
    try_docker(&["image", "inspect", &image.reference]).await.expect_err("the image is gone");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_engine_that_isnt_there_is_broken_and_the_rest_is_looked_at_all_the_same() {
    let mut command = caisson(&unique("doctor"), &["doctor"]);
    command.env("CAISSON_SANDBOX_ENGINE_SOCKET", "/nonexistent/docker.sock");
    let ended = finish(command, b"").await;
    assert_eq!(ended.code, Some(1));
    assert!(ended.text().contains("/nonexistent/docker.sock"), "{}", ended.text());
    for area in ["engine\n", "kernel\n", "timing\n", "queues\n"] {
        assert!(ended.text().contains(area), "{area} is missing in {}", ended.text());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn only_the_images_of_the_languages_that_the_worker_offers_are_looked_at() {
    let images = async |languages: &str| {
        let mut command = caisson(&unique("doctor"), &["doctor", "--json", "--only", "images.present"]);
        command.env("CAISSON_WORKER_LANGUAGES", languages);
        let ended = finish(command, b"").await;
        let findings: Vec<Value> =
            serde_json::from_slice(&ended.stdout).unwrap_or_else(|error| panic!("{error}: {}", ended.stderr));
        let named =
            |finding: &Value| finding["measured"].as_str().and_then(|text| text.split(':').next()).map(str::to_owned);
        findings.iter().filter_map(named).collect::<BTreeSet<_>>()
    };
    assert_eq!(images("bash,c").await, BTreeSet::from(["bash".to_owned(), "c".to_owned()]));
}

#[tokio::test(flavor = "multi_thread")]
async fn strict_counts_warnings() {
    // A swap-less host's warning: a worker whose slots outnumber the CPUs can't pin them.
    let run = async |arguments: &[&str]| {
        let mut command = caisson(&unique("doctor"), arguments);
        command.env("CAISSON_WORKER_SLOTS", "512");
        finish(command, b"").await.code
    };
    assert_eq!(run(&["doctor", "--strict"]).await, Some(1));
}
