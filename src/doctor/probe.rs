//! Starts sandboxes exactly as jobs get them, and has the agent's own program look around in them.

use std::time::{Duration, Instant};

use super::facts::Facts;
use super::images::{Found, ImageFacts};
use super::sandbox::{Asked, End, Probe, Resize, Told};
use crate::protocol::{END_A_PROCESS, Restore, Stdin, Step, StepEnding};
use crate::report::ImageReport;
use crate::sandbox::spec::{AGENT_PROCESSES, INODES, Labels, START_MEMORY_BYTES, START_PIDS};
use crate::sandbox::{Need, Resized, Sandbox, SandboxError, Sandboxes, Settings, StepOutcome};

/// What the probe's sandbox is made with: the least that is never made larger for the runtime's own start, so that what
/// is seen is what the create call said.
pub const MEMORY_BYTES: u64 = START_MEMORY_BYTES;
pub const PROCESSES: u64 = START_PIDS - AGENT_PROCESSES;
/// No less than /dev/shm has in every sandbox.
pub const DISK_BYTES: u64 = 32 << 20;

/// What the live sandbox is given afterwards: other numbers, and enough to go on.
const RESIZED_MEMORY_BYTES: u64 = MEMORY_BYTES + (32 << 20);
const RESIZED_PROCESSES: u64 = PROCESSES - 7;

/// A look around takes a tenth of a second, one over a large image's files some seconds.
const PATIENCE: Duration = Duration::from_secs(120);

/// Longer than all of it takes; whoever finds a container past this may remove it.
const LIFE: Duration = Duration::from_secs(900);

/// The facts printed are some 20 KiB.
const OUTPUT_BYTES: u64 = 1 << 20;

/// What a sandbox of these settings is asked to be, as far as the settings say it; the rest is of the host.
pub fn asked(settings: &Settings, pinned: bool) -> Asked {
    Asked {
        memory_bytes: MEMORY_BYTES,
        processes: PROCESSES + AGENT_PROCESSES,
        disk_bytes: DISK_BYTES,
        inodes: INODES,
        uids: settings.first_uid..settings.first_uid.saturating_add(settings.uids),
        pinned,
        host_kernel: String::new(),
        host_swaps: false,
        apparmor: false,
        remapped: false,
    }
}

/// Looks around in a sandbox of an image that has nothing in it but the agent.
pub async fn sandbox(sandboxes: &Sandboxes, worker_id: &str, image: &ImageReport) -> Probe {
    let started = Instant::now();
    let mut sandbox = match acquire(sandboxes, worker_id, image).await {
        Ok(sandbox) => sandbox,
        Err(SandboxError::Network) => return Probe::HasNetwork,
        Err(SandboxError::Agent { operation, errno }) if operation == END_A_PROCESS => {
            return Probe::EndsNobody(SandboxError::Agent { operation, errno }.to_string());
        }
        Err(error) => return Probe::NotStarted(error.to_string()),
    };
    let start_ms = u64::try_from(started.elapsed().as_millis()).unwrap_or(u64::MAX);
    let program = sandboxes.agent_program();
    let (facts, resized, end) = match look(&mut sandbox, program, None).await {
        Err(Unanswered::Silent(reason)) => return Probe::Silent(reason),
        Err(Unanswered::Broken(reason, facts)) if facts.is_empty() => return Probe::Silent(reason),
        Err(Unanswered::Broken(reason, facts)) => (facts, Resize::NotTried, Some(End::Probe(reason))),
        Ok(facts) => {
            let resized = resize(&mut sandbox, program).await;
            // Last, because it may be the end of it.
            let end = look(&mut sandbox, program, Some("kill")).await.err().map(|_| End::Signal);
            (facts, resized, end)
        }
    };
    sandbox.destroy();
    Probe::Told(Box::new(Told { facts, start_ms, resized, end }))
}

async fn resize(sandbox: &mut Sandbox, program: &str) -> Resize {
    match sandbox.resize(RESIZED_MEMORY_BYTES, RESIZED_PROCESSES).await {
        Ok(Resized::Done) => match look(sandbox, program, None).await {
            Ok(facts) => Resize::Done {
                facts,
                memory_bytes: RESIZED_MEMORY_BYTES,
                processes: RESIZED_PROCESSES + AGENT_PROCESSES,
            },
            Err(Unanswered::Broken(reason, _) | Unanswered::Silent(reason)) => Resize::Failed(reason),
        },
        Ok(Resized::TooLittle) => Resize::Failed("the kernel said that more memory is in use already".to_owned()),
        Ok(Resized::Broken(broken)) => Resize::Failed(broken.detail),
        Err(SandboxError::CannotResize) => Resize::Unsupported,
        Err(error) => Resize::Failed(error.to_string()),
    }
}

/// Looks for files that carry privilege in a sandbox of the image.
pub async fn image(sandboxes: &Sandboxes, worker_id: &str, name: &str, reference: &str) -> ImageFacts {
    let found = match sandboxes.resolve_image(reference).await {
        Err(SandboxError::ImageMissing { .. }) => Found::Missing,
        Err(SandboxError::ImageVolumes { volumes, .. }) => Found::Volumes(volumes),
        Err(error) => Found::Unknown(error.to_string()),
        Ok(image) => {
            let files = match acquire(sandboxes, worker_id, &image).await {
                Err(error) => Err(error.to_string()),
                Ok(mut sandbox) => {
                    look(&mut sandbox, sandboxes.agent_program(), Some("files")).await.map_err(|unanswered| {
                        match unanswered {
                            Unanswered::Broken(reason, _) | Unanswered::Silent(reason) => reason,
                        }
                    })
                }
            };
            match files {
                Ok(files) => Found::Open { digest: image.digest, files },
                Err(reason) => Found::Closed { digest: image.digest, reason },
            }
        }
    };
    ImageFacts { name: name.to_owned(), reference: reference.to_owned(), found }
}

async fn acquire(sandboxes: &Sandboxes, worker_id: &str, image: &ImageReport) -> Result<Sandbox, SandboxError> {
    let permit = sandboxes.permit().await;
    let deadline = jiff::Timestamp::now().as_second() + i64::try_from(LIFE.as_secs()).unwrap_or(0);
    let labels = Labels {
        worker: worker_id.to_owned(),
        job: "doctor".to_owned(),
        execution: uuid::Uuid::new_v4().to_string(),
        deadline,
    };
    let need = Need {
        image: image.clone(),
        memory_bytes: MEMORY_BYTES,
        most_memory_bytes: MEMORY_BYTES.max(RESIZED_MEMORY_BYTES),
        processes: PROCESSES,
        disk_bytes: DISK_BYTES,
        labels,
    };
    sandboxes.acquire(permit, &need).await
}

/// Why there are no facts.
enum Unanswered {
    Silent(String),
    /// The agent died of it; what had been said by then.
    Broken(String, Facts),
}

async fn look(sandbox: &mut Sandbox, program: &str, what: Option<&str>) -> Result<Facts, Unanswered> {
    let patience = u64::try_from(PATIENCE.as_micros()).unwrap_or(u64::MAX);
    let argv = [Some(program), Some("--probe"), what];
    let step = Step {
        argv: argv.into_iter().flatten().map(|word| word.as_bytes().to_vec()).collect(),
        env: Vec::new(),
        stdin: Stdin::Bytes(0),
        restore: Restore::No,
        cpu_time_us: patience,
        wall_time_us: patience,
        cpu_wait_us: patience,
        file_wait_us: patience,
        output_bytes: OUTPUT_BYTES,
        file_size_bytes: 1 << 20,
        open_files: 64,
        stack_bytes: 8 << 20,
    };
    let (mut out, mut complaint) = (Vec::new(), Vec::new());
    let mut keep =
        |is_stdout: bool, data: &[u8]| if is_stdout { &mut out } else { &mut complaint }.extend_from_slice(data);
    let outcome = sandbox.run(step, &[], &mut keep).await;
    let facts = Facts::parse(&String::from_utf8_lossy(&out));
    let ended = match outcome {
        Ok(StepOutcome::Ended(ended)) => ended,
        Ok(StepOutcome::Broken(broken)) => return Err(Unanswered::Broken(broken.detail, facts)),
        Err(error) => return Err(Unanswered::Silent(error.to_string())),
    };
    match ended.ending {
        StepEnding::Exited(0) if !facts.is_empty() => Ok(facts),
        ending => {
            let complaint = String::from_utf8_lossy(&complaint);
            Err(Unanswered::Silent(format!("{ending:?} {}", complaint.trim()).trim().to_owned()))
        }
    }
}
