//! What the figures were measured on.

use std::time::Duration;

use serde_json::Value;
use tokio::process::Command;

use crate::cpu::Accounts;
use crate::report::figures::Figures;
use crate::{Fallible, note};

/// How long the machine is looked at while nothing of ours runs.
const LOOK: Duration = Duration::from_secs(2);
/// So often, until it is quiet.
const LOOKS: usize = 10;
/// Percent of one core: above it, what others do shows in the figures.
const QUIET_PERCENT: f64 = 20.0;

/// Runs `docker` with these arguments, which must succeed; its output.
pub(crate) async fn docker(arguments: &[&str]) -> Fallible<String> {
    let output = Command::new("docker").args(arguments).kill_on_drop(true).output().await?;
    if !output.status.success() {
        let complaint = String::from_utf8_lossy(&output.stderr).trim().to_owned();
        return Err(format!("docker {}: {complaint}", arguments.first().unwrap_or(&"")).into());
    }
    Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned())
}

/// Where the engine listens, as `caisson` itself finds it.
pub(crate) fn socket() -> String {
    let configured = std::env::var("DOCKER_HOST").ok().filter(|host| host.starts_with("unix://"));
    configured.unwrap_or_else(|| "/var/run/docker.sock".to_owned())
}

pub(crate) async fn look(figures: &mut Figures) -> Fallible<()> {
    let info: Value = serde_json::from_str(&docker(&["info", "--format", "{{json .}}"]).await?)?;
    let text = |name: &str| info[name].as_str().unwrap_or("unknown").to_owned();
    let machine = &mut figures.machine;
    machine.processor = processor();
    machine.cores = cores();
    machine.memory_bytes = info["MemTotal"].as_u64().unwrap_or_default();
    machine.system = text("OperatingSystem");
    machine.kernel = text("KernelVersion");
    machine.engine = format!("Docker engine {}", text("ServerVersion"));
    machine.storage = text("Driver");
    machine.cgroup = text("CgroupVersion");
    machine.caisson = format!("Caisson {}", env!("CARGO_PKG_VERSION"));
    machine.runtimes = vec![text("DefaultRuntime")];
    let registered: Vec<String> =
        info["Runtimes"].as_object().map(|all| all.keys().cloned().collect()).unwrap_or_default();
    for runtime in ["crun", "runsc"] {
        if figures.machine.runtimes.iter().any(|it| it == runtime) {
            continue;
        }
        match works(runtime, &registered).await {
            Ok(()) => figures.machine.runtimes.push(runtime.to_owned()),
            Err(error) => note(&format!("the runtime {runtime}"), &error.to_string(), figures),
        }
    }
    let accounts = Accounts::open();
    for _ in 0..LOOKS {
        let before = accounts.machine_ms()?;
        tokio::time::sleep(LOOK).await;
        let used = accounts.machine_ms()? - before;
        figures.machine.background_percent = used / LOOK.as_secs_f64() / 10.0;
        if figures.machine.background_percent < QUIET_PERCENT {
            break;
        }
    }
    if figures.machine.background_percent >= QUIET_PERCENT {
        let percent = figures.machine.background_percent;
        note(
            "a quiet machine",
            &format!("others used {percent:.0} % of one core; take no figure for its own"),
            figures,
        );
    }
    Ok(())
}

async fn works(runtime: &str, registered: &[String]) -> Fallible<()> {
    if !registered.iter().any(|it| it == runtime) {
        return Err("the engine has no runtime of that name".into());
    }
    docker(&["run", "--rm", "--network", "none", "--runtime", runtime, "caisson/bash", "true"]).await.map(drop)
}

pub(crate) fn cores() -> usize {
    std::thread::available_parallelism().map_or(1, usize::from)
}

fn processor() -> String {
    let text = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let name = text.lines().find_map(|line| line.strip_prefix("model name"));
    name.map_or_else(|| std::env::consts::ARCH.to_owned(), |name| name.trim_start_matches([' ', '\t', ':']).to_owned())
}
