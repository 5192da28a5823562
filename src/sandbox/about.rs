//! What the engine says of itself and its host, in our own words, for `caisson doctor`.

use std::collections::{BTreeMap, HashMap};

use bollard::models::{Runtime, SystemInfo, SystemVersion, SystemVersionComponents};

use super::engine::{Engine, EngineError, call};

/// The engine and its host. What an engine of another age doesn't say is empty or `None`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct EngineFacts {
    pub version: String,
    /// The newest version of the API that it speaks.
    pub api_version: String,
    /// The kernel that it runs on.
    pub kernel: String,
    pub operating_system: String,
    /// 1 or 2.
    pub cgroup_version: Option<u8>,
    /// `cgroupfs`, `systemd` or `none`.
    pub cgroup_driver: String,
    pub storage_driver: String,
    /// Where it keeps images and containers, in its own file system.
    pub root_folder: String,
    pub default_runtime: String,
    pub runtimes: BTreeMap<String, RuntimeFacts>,
    /// containerd's version, and its package's or commit's where the engine tells, as those of the runtimes.
    pub containerd: Option<String>,
    /// What it can hold a container to.
    pub limits_memory: bool,
    pub limits_swap: bool,
    pub limits_processes: bool,
    pub limits_cpu_time: bool,
    pub pins_cpus: bool,
    /// As it lists them: `name=seccomp,profile=default`, `name=apparmor`, `name=userns`, …
    pub security_options: Vec<String>,
    pub live_restore: bool,
    pub authorization_plugins: Vec<String>,
    /// Its own complaints.
    pub warnings: Vec<String>,
}

/// A runtime that the engine can start containers with.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RuntimeFacts {
    /// The program, with or without its folder.
    pub path: String,
    /// Its version, and the package's or the commit's where the engine tells: `1.1.5+ds1 (1.1.5+ds1-1+deb12u1)`.
    pub version: Option<String>,
}

/// Where a runtime's features have its version (opencontainers/runtime-spec, features.md; the annotations are runc's and
/// crun's own).
const FEATURES: &str = "org.opencontainers.runtime-spec.features";
const VERSION_ANNOTATIONS: [&str; 2] = ["org.opencontainers.runc.version", "run.oci.crun.version"];

impl Engine {
    /// # Errors
    /// When the engine doesn't answer.
    pub async fn facts(&self) -> Result<EngineFacts, EngineError> {
        let info = call("ask the engine about itself", self.patience.call, self.docker().info()).await?;
        let version = call("ask the engine for its version", self.patience.call, self.docker().version()).await?;
        Ok(EngineFacts::new(info, version))
    }
}

impl EngineFacts {
    /// Whether the engine lists this security option, with or without a value of its own.
    pub fn has_security_option(&self, name: &str) -> bool {
        let names = self.security_options.iter().filter_map(|option| option.strip_prefix("name="));
        names.filter_map(|option| option.split(',').next()).any(|listed| listed == name)
    }

    /// Whether a container's root is an ordinary user of the host's: by userns-remap, or because all of the engine is.
    pub fn remaps_users(&self) -> bool {
        self.has_security_option("userns") || self.has_security_option("rootless")
    }

    fn new(info: SystemInfo, version: SystemVersion) -> EngineFacts {
        let default_runtime = info.default_runtime.unwrap_or_default();
        let mut runtimes: BTreeMap<String, RuntimeFacts> =
            info.runtimes.unwrap_or_default().into_iter().map(|(name, runtime)| (name, runtime.into())).collect();
        // The engine asks the default runtime for its version and names the component after it.
        let components: HashMap<String, Option<String>> =
            version.components.unwrap_or_default().into_iter().map(component).collect();
        if let Some(version) = components.get(&default_runtime) {
            runtimes.entry(default_runtime.clone()).or_default().version = version.clone();
        }
        EngineFacts {
            version: version.version.or(info.server_version).unwrap_or_default(),
            api_version: version.api_version.unwrap_or_default(),
            kernel: info.kernel_version.unwrap_or_default(),
            operating_system: info.operating_system.unwrap_or_default(),
            cgroup_version: info.cgroup_version.and_then(|version| version.to_string().parse().ok()),
            cgroup_driver: info.cgroup_driver.map(|driver| driver.to_string()).unwrap_or_default(),
            storage_driver: info.driver.unwrap_or_default(),
            root_folder: info.docker_root_dir.unwrap_or_default(),
            default_runtime,
            runtimes,
            containerd: components.get("containerd").cloned().flatten(),
            limits_memory: info.memory_limit.unwrap_or(false),
            limits_swap: info.swap_limit.unwrap_or(false),
            limits_processes: info.pids_limit.unwrap_or(false),
            limits_cpu_time: info.cpu_cfs_quota.unwrap_or(false),
            pins_cpus: info.cpu_set.unwrap_or(false),
            security_options: info.security_options.unwrap_or_default(),
            live_restore: info.live_restore_enabled.unwrap_or(false),
            authorization_plugins: info.plugins.and_then(|plugins| plugins.authorization).unwrap_or_default(),
            warnings: info.warnings.unwrap_or_default(),
        }
    }
}

/// Its name and its version, the latter with what the engine knows of the package or commit.
fn component(it: SystemVersionComponents) -> (String, Option<String>) {
    let commit = it.details.and_then(|mut details| details.remove("GitCommit")).unwrap_or_default();
    let version = match it.version {
        version if version.is_empty() => None,
        version if commit.is_empty() => Some(version),
        version => Some(format!("{version} ({commit})")),
    };
    (it.name, version)
}

impl From<Runtime> for RuntimeFacts {
    fn from(runtime: Runtime) -> RuntimeFacts {
        let features = runtime.status.and_then(|mut status| status.remove(FEATURES));
        let features: serde_json::Value =
            features.and_then(|text| serde_json::from_str(&text).ok()).unwrap_or_default();
        let annotation = |name: &&str| features["annotations"][*name].as_str().map(str::to_owned);
        RuntimeFacts {
            path: runtime.path.unwrap_or_default(),
            version: VERSION_ANNOTATIONS.iter().find_map(annotation),
        }
    }
}

#[cfg(test)]
pub(crate) mod recorded {
    //! What real engines answered, for tests of those who judge it.

    use super::*;

    fn facts(info: &str, version: &str) -> EngineFacts {
        let info = serde_json::from_str(info).expect("it is what the engine sent");
        EngineFacts::new(info, serde_json::from_str(version).expect("it is what the engine sent"))
    }

    /// Docker 20.10 from Debian 12, cgroup v1.
    pub(crate) fn debian_12() -> EngineFacts {
        facts(include_str!("recorded/docker-20.10-info.json"), include_str!("recorded/docker-20.10-version.json"))
    }

    /// Docker 28 from Docker's own packages, cgroup v2, AppArmor, crun and runsc beside runc.
    pub(crate) fn docker_28() -> EngineFacts {
        facts(include_str!("recorded/docker-28-info.json"), include_str!("recorded/docker-28-version.json"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_engine_of_2021_is_understood() {
        let facts = recorded::debian_12();
        assert_eq!((facts.version.as_str(), facts.api_version.as_str()), ("20.10.24+dfsg1", "1.41"));
        assert_eq!((facts.cgroup_version, facts.cgroup_driver.as_str()), (Some(1), "cgroupfs"));
        assert_eq!(facts.runtimes["runc"].version.as_deref(), Some("1.1.5+ds1 (1.1.5+ds1-1+deb12u1)"));
        assert_eq!(facts.security_options, ["name=seccomp,profile=default"]);
        assert!(facts.limits_memory && facts.limits_swap && facts.limits_processes && facts.pins_cpus);
    }

    #[test]
    fn an_engine_of_2025_tells_the_versions_of_all_its_runtimes() {
        let facts = recorded::docker_28();
        assert_eq!((facts.cgroup_version, facts.cgroup_driver.as_str()), (Some(2), "systemd"));
        assert_eq!(facts.runtimes["runc"].version.as_deref(), Some("1.2.5 (v1.2.5-0-g59923ef)"));
        assert_eq!(facts.runtimes["crun"].version.as_deref(), Some("1.14.1"));
        assert_eq!(facts.runtimes["runsc"], RuntimeFacts { path: "/usr/bin/runsc".to_owned(), version: None });
        assert!(facts.live_restore);
    }
}
