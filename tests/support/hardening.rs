//! What no create call may lack, read from the call itself as the engine gets it. The list is written here a second time,
//! on purpose: what the code promises is held against what was sent, not against the code.

use serde_json::Value;

/// Where a create call of a sandbox is weaker than promised. Empty when it isn't. One that is to be started again is its
/// worker's to remove; every other is removed by the engine.
pub(crate) fn weaknesses(body: &Value, is_recycled: bool) -> Vec<String> {
    let host = &body["HostConfig"];
    let mut found = Vec::new();
    let mut must = |holds: bool, what: &str| {
        if !holds {
            found.push(what.to_owned());
        }
    };
    let is_absent = |value: &Value| match value {
        Value::Null | Value::Bool(false) => true,
        Value::Array(list) => list.is_empty(),
        Value::Object(fields) => fields.is_empty(),
        Value::String(text) => text.is_empty(),
        _ => false,
    };

    must(uid(body).is_some_and(|uid| uid >= 1_000), "User is a uid of its own, and the group the same");
    must(host["CapDrop"] == serde_json::json!(["ALL"]), "CapDrop is ALL");
    must(is_absent(&host["CapAdd"]), "CapAdd is absent");
    must(is_absent(&host["Privileged"]), "not Privileged");
    must(is_absent(&host["GroupAdd"]), "no further groups");

    let options: Vec<&str> = host["SecurityOpt"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
    must(options.contains(&"no-new-privileges=true"), "no-new-privileges");
    let profile = options.iter().find_map(|option| option.strip_prefix("seccomp="));
    let profile: Option<Value> = profile.and_then(|text| serde_json::from_str(text).ok());
    must(profile == Some(caisson::sandbox::seccomp::profile()), "our seccomp profile");
    must(options.len() == 2, "no further security option");

    must(host["ReadonlyRootfs"] == true, "a read-only root");
    must(is_absent(&host["Binds"]) && is_absent(&host["VolumesFrom"]), "nothing of the host bound in");
    must(is_absent(&host["Devices"]) && is_absent(&host["DeviceRequests"]), "no device");
    let mounts = host["Mounts"].as_array().map(Vec::as_slice).unwrap_or_default();
    let is_agents = |mount: &Value| {
        let source = mount["Source"].as_str().unwrap_or_default();
        mount["Type"] == "volume" && mount["ReadOnly"] == true && source.starts_with("caisson-agent-")
    };
    must(mounts.len() == 1 && mounts.iter().all(is_agents), "one mount, the agent's volume, read-only");
    let places: Vec<&str> = host["Tmpfs"].as_object().into_iter().flatten().filter_map(|(_, o)| o.as_str()).collect();
    let is_bounded = |options: &&str| {
        ["nosuid", "nodev", "size=", "nr_inodes="]
            .iter()
            .all(|option| options.split(',').any(|o| o.starts_with(option)))
    };
    must(!places.is_empty() && places.iter().all(is_bounded), "writable places have a size and a number of inodes");

    must(body["NetworkDisabled"] == true || host["NetworkMode"] == "none", "no network");
    must(is_absent(&host["PortBindings"]) && is_absent(&host["PublishAllPorts"]), "no published port");
    for namespace in ["IpcMode", "PidMode", "UTSMode", "UsernsMode", "CgroupnsMode"] {
        let mode = host[namespace].as_str().unwrap_or_default();
        must(mode != "host" && !mode.starts_with("container:"), &format!("{namespace} is private"));
    }

    let number = |name: &str| host[name].as_i64().unwrap_or(0);
    must(number("Memory") > 0 && number("Memory") == number("MemorySwap"), "a memory limit, swap equal to it");
    must(number("PidsLimit") > 0, "a pids limit");
    must(is_absent(&host["OomKillDisable"]), "the kernel may kill it");
    must(host["CpusetCpus"].is_string() || number("NanoCpus") > 0, "a CPU of its own, or one's worth of time");
    must(host["LogConfig"]["Type"] == "none", "no log on the host");
    must(host["AutoRemove"] == !is_recycled, "removed when it ends");
    must(body["OpenStdin"] == true && body["StdinOnce"] == true, "stdin closes with its worker");
    must(is_absent(&body["Tty"]), "no terminal");
    must(body["Image"].as_str().is_some_and(|image| image.starts_with("sha256:")), "an image by its id");
    let has = |label: &&str| body["Labels"][label].is_string();
    must(["caisson.worker", "caisson.deadline"].iter().all(has), "labels of worker and deadline");
    let is_for_a_job = ["caisson.job", "caisson.execution"].iter().all(has);
    must(is_for_a_job || has(&"caisson.pool"), "labels of job and execution, or of the pool");
    found
}

/// The uid of a create call, when user and group are one number.
pub(crate) fn uid(body: &Value) -> Option<u32> {
    let (user, group) = body["User"].as_str()?.split_once(':')?;
    (user == group).then(|| user.parse().ok())?
}
