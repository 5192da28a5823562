//! How the engine is to be used, in values: the configuration stays with whoever reads it.

use std::time::Duration;

/// How the engine is to be used, from the configuration.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Path of the engine's Unix socket.
    pub engine_socket: String,
    /// The engine's runtime (`runc`, `crun`, `runsc`, …); the engine's default when absent.
    pub runtime: Option<String>,
    pub first_uid: u32,
    pub uids: u32,
    pub pin_cpus: bool,
    /// Sandboxes alive at the same time.
    pub slots: usize,
    /// Memory of all live sandboxes together, in bytes.
    pub memory_bytes: u64,
    pub worker_id: String,
    /// Leaves every sandbox alive when its job is over, for somebody to look into, until its deadline.
    pub keep: bool,
    /// Containers made ahead; none without.
    pub pool: Option<PoolSettings>,
    /// Starts a container of the pool again for a later job when its job ended as it should. Without a pool there is none.
    pub recycle: bool,
    pub watermarks: Watermarks,
    pub patience: Patience,
}

impl Default for Settings {
    /// What most tests want; commands give every value.
    fn default() -> Settings {
        Settings {
            engine_socket: "/var/run/docker.sock".to_owned(),
            runtime: None,
            first_uid: 20_000,
            uids: 10_000,
            pin_cpus: true,
            slots: 1,
            memory_bytes: 1 << 30,
            worker_id: String::new(),
            keep: false,
            pool: None,
            recycle: false,
            watermarks: Watermarks::default(),
            patience: Patience::default(),
        }
    }
}

/// Containers made ahead of their jobs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PoolSettings {
    /// The most that wait, are on their way or on their way out at the same time. Each is counted with
    /// [`WAITING_BYTES`](super::pool::WAITING_BYTES) of [`Settings::memory_bytes`].
    pub containers: usize,
    /// How long one waits at most, and for how long what was asked for once is taken to be asked for again.
    pub age: Duration,
}

/// What must be free where the engine keeps its containers, for a job to be taken. Zero asks for nothing.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Watermarks {
    pub bytes: u64,
    pub inodes: u64,
}

/// How long things are waited for. The values are not the operator's to choose: each is far above what a busy host was
/// seen to take, and tests that wait for the worst have shorter ones.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Patience {
    /// Ordinary calls answer in milliseconds; on a host with a slow disk and every core busy, creating and starting a
    /// container was seen to take seconds. Past this the engine is taken to hang.
    pub call: Duration,
    /// Removal waits for the kernel to end the container's processes.
    pub removal: Duration,
    /// The question whether the engine is there: it needs no disk and no kernel.
    pub ping: Duration,
    /// From start to the agent's greeting. Seconds on a busy host; past this something is wrong with the host.
    pub ready: Duration,
    /// What a step may take beyond its wall time before its agent counts as silent: emptying the workspace, the sweep
    /// (five seconds at most), passing on the last output on a host whose cores are all busy.
    pub silence: Duration,
    /// How long the engine may take to tell of a container's end.
    pub fate: Duration,
    /// How long a container that was told to end may take before it is removed by force.
    pub goodbye: Duration,
    /// The longest wait between two tries of a removal.
    pub retry: Duration,
    /// Between two looks for containers that nobody owns.
    pub sweep: Duration,
    /// For everything that has to be removed when a process ends.
    pub close: Duration,
}

impl Default for Patience {
    fn default() -> Patience {
        Patience {
            call: Duration::from_secs(60),
            removal: Duration::from_secs(120),
            ping: Duration::from_secs(5),
            ready: Duration::from_secs(60),
            silence: Duration::from_secs(30),
            fate: Duration::from_secs(10),
            goodbye: Duration::from_secs(5),
            retry: Duration::from_secs(30),
            sweep: Duration::from_secs(60),
            close: Duration::from_secs(30),
        }
    }
}
