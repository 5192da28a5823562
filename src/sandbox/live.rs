//! One live sandbox, from create to gone.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use tokio::sync::mpsc;
use tokio::time::{Instant, timeout, timeout_at};

use super::conversation::{Conversation, Lost};
use super::slots::{Permit, Slot};
use super::spec::{AGENT_PROCESSES, START_MEMORY_BYTES, START_PIDS, Spec, profile_id};
use super::{Need, SandboxError, Shared, agent};
use crate::report::SandboxReport;
use crate::protocol::{CHUNK, Ended, Event, Request, Stdin, Step, VERSION};

/// From start to the agent's greeting. Seconds on a busy host; past this something is wrong with the host.
const READY: Duration = Duration::from_secs(60);

/// What a step may take beyond its wall time before its agent counts as silent: emptying the workspace, the sweep (five
/// seconds at most), passing on the last output on a host whose cores are all busy.
const SILENCE: Duration = Duration::from_secs(30);

/// How long the engine may take to tell of a container's end.
const FATE: Duration = Duration::from_secs(10);

/// How long a container that was told to end may take before it is removed by force.
const GOODBYE: Duration = Duration::from_secs(5);

/// How a step went.
#[derive(Debug)]
pub enum StepOutcome {
    Ended(Ended),
    /// The agent died or fell silent while the program ran, which is the program's doing. The sandbox is used up.
    Broken { oom: bool, detail: String },
}

/// What came of new limits for a live sandbox.
#[derive(Debug)]
pub enum Resized {
    Done,
    /// What earlier programs left takes more memory than that, so that the kernel refuses.
    TooLittle,
    /// The sandbox died of it, or had died before: as [`StepOutcome::Broken`].
    Broken { oom: bool, detail: String },
}

/// A sandbox that its program broke.
struct Broken {
    oom: bool,
    detail: String,
}

impl From<Broken> for StepOutcome {
    fn from(broken: Broken) -> StepOutcome {
        StepOutcome::Broken { oom: broken.oom, detail: broken.detail }
    }
}

/// A container made for one job, with an agent that has answered.
#[derive(Debug)]
pub struct Sandbox {
    shared: Arc<Shared>,
    id: String,
    conversation: Option<Conversation>,
    slot: Option<Slot>,
    /// Memory in bytes and processes, as they were asked for last.
    size: (u64, u64),
    /// What the kernel holds the container to: memory in bytes, and pids with the agent's.
    in_force: (u64, u64),
    confinement: SandboxReport,
    /// Whether a program of the job has run: from then on, a failing agent is evidence about it.
    touched: bool,
}

pub(crate) async fn acquire(shared: &Arc<Shared>, permit: Permit, need: &Need) -> Result<Sandbox, SandboxError> {
    let slot = shared.slots.slot(permit, need.memory_bytes).await;
    let volume = shared.agent.get_or_try_init(|| agent::install(&shared.engine)).await?;
    let (error, slot) = match start(shared, slot, need, volume).await {
        Ok(sandbox) => return Ok(sandbox),
        Err(failure) => failure,
    };
    let SandboxError::Engine(engine_error) = &error else { return Err(error) };
    if !engine_error.reason.contains(agent::PROGRAM) {
        return Err(error);
    }
    // The engine names the agent: it couldn't be started. There are two causes that can be mended, once.
    if engine_error.reason.contains("permission denied") {
        tracing::info!(runtime = shared.settings.runtime, "this runtime starts only readable programs; using a readable agent");
        shared.readable_agent.store(true, Ordering::Relaxed);
    } else {
        // Somebody removed the volume meanwhile (another worker that ended, or a prune), and the engine made an empty
        // one in its place.
        tracing::info!(volume, "the agent's volume is empty; filling it again");
        agent::fill(&shared.engine, volume).await?;
    }
    start(shared, slot, need, volume).await.map_err(|(error, _)| error)
}

async fn start(
    shared: &Arc<Shared>,
    slot: Slot,
    need: &Need,
    volume: &str,
) -> Result<Sandbox, (SandboxError, Slot)> {
    let cpus = slot.cpu.map(|cpu| cpu.to_string());
    let pinned = cpus.is_some();
    let runtime = shared.settings.runtime.as_deref();
    let agent_program =
        if shared.readable_agent.load(Ordering::Relaxed) { agent::READABLE_PROGRAM } else { agent::PROGRAM };
    let spec = Spec {
        image: &need.image.digest,
        memory_bytes: need.memory_bytes,
        processes: need.processes,
        disk_bytes: need.disk_bytes,
        uid: slot.uid,
        cpus: cpus.as_deref(),
        runtime,
        agent_volume: volume,
        agent_program,
        keep: shared.settings.keep,
        labels: &need.labels,
    };
    let name = format!("caisson-{}", uuid::Uuid::new_v4().simple());
    let id = match shared.engine.create(&name, shared.weakened(spec.create_body())).await {
        Ok(id) => id,
        // The call may have been cut off after the engine had made the container; its name is ours alone.
        Err(error) => {
            if error.status.is_none() {
                let _ = shared.engine.remove(&name).await;
            }
            return Err((error.into(), slot));
        }
    };
    shared.fates.expect(&id);
    let mut sandbox = Sandbox {
        shared: shared.clone(),
        id,
        conversation: None,
        slot: Some(slot),
        size: (need.memory_bytes, need.processes),
        in_force: (
            need.memory_bytes.max(START_MEMORY_BYTES),
            (need.processes + AGENT_PROCESSES).max(START_PIDS),
        ),
        confinement: SandboxReport {
            profile: profile_id(runtime, agent_program),
            runtime: shared.settings.runtime.clone(),
            landlock: 0,
            cgroup: 0,
            pinned,
        },
        touched: false,
    };
    match sandbox.greet().await {
        Ok(()) => Ok(sandbox),
        Err(error) => {
            let slot = sandbox.remove_now().await;
            Err((error, slot))
        }
    }
}

impl Sandbox {
    pub fn id(&self) -> &str {
        &self.id
    }

    /// Memory in bytes and processes, as they were asked for last.
    pub fn size(&self) -> (u64, u64) {
        self.size
    }

    /// What confines whatever runs here.
    pub fn confinement(&self) -> &SandboxReport {
        &self.confinement
    }

    async fn greet(&mut self) -> Result<(), SandboxError> {
        let attached = self.shared.engine.attach(&self.id).await?;
        self.shared.engine.start(&self.id).await?;
        let mut conversation = Conversation::new(attached);
        let nonce = u64::from_le_bytes(first_eight(uuid::Uuid::new_v4().as_bytes()));
        let greeting = async {
            conversation.send(&Request::Hello { version: VERSION, nonce }).await?;
            conversation.next().await
        };
        let answer = timeout(READY, greeting).await.map_err(|_| SandboxError::NotReady(READY))?;
        match answer {
            Ok(Event::Ready { version: VERSION, nonce: echoed, network, landlock, cgroup }) if echoed == nonce => {
                (self.confinement.landlock, self.confinement.cgroup) = (landlock, cgroup);
                if network {
                    return Err(SandboxError::Network);
                }
            }
            Ok(Event::Failed { operation, errno }) => return Err(agent_failure(&operation, errno)),
            Ok(other) => return Err(SandboxError::Unexpected(format!("{other:?}"))),
            Err(lost) => {
                let complaint = conversation.complaint();
                return Err(SandboxError::Conversation(format!("{lost} {complaint}").trim().to_owned()));
            }
        }
        self.conversation = Some(conversation);
        Ok(())
    }

    /// Writes a file of the job into the workspace.
    ///
    /// # Errors
    /// Ours: no program has run yet.
    pub async fn write_file(&mut self, path: &str, executable: bool, content: &[u8]) -> Result<(), SandboxError> {
        let size = content.len() as u64;
        self.send(&Request::File { path: path.as_bytes().to_vec(), executable, size }).await?;
        self.send_data(content).await
    }

    /// Sets what the kernel holds the container to, if it isn't that already.
    ///
    /// # Errors
    /// Only what is ours.
    pub async fn resize(&mut self, memory_bytes: u64, processes: u64) -> Result<Resized, SandboxError> {
        let wanted = (memory_bytes, processes + AGENT_PROCESSES);
        let made_for_it = self.shared.cannot_resize.load(Ordering::Relaxed) && self.size == (memory_bytes, processes);
        if wanted == self.in_force || made_for_it {
            return Ok(Resized::Done);
        }
        match self.shared.engine.resize(&self.id, wanted.0, wanted.1).await {
            Ok(()) => {
                self.size = (memory_bytes, processes);
                self.in_force = wanted;
                Ok(Resized::Done)
            }
            // cgroup v1 answers EBUSY when it can't get below the new limit by dropping caches.
            Err(error) if self.touched && error.reason.contains("busy") => Ok(Resized::TooLittle),
            Err(error) if error.status.is_some() => {
                // The engine is there and refuses. A container that lives is one whose runtime can't do it; one that died
                // did so of what ran in it.
                if self.shared.engine.is_running(&self.id).await? {
                    tracing::warn!(%error, "this runtime can't change a live container's limits");
                    self.shared.cannot_resize.store(true, Ordering::Relaxed);
                    return Err(SandboxError::CannotResize);
                }
                if !self.touched {
                    return Err(error.into());
                }
                let Broken { oom, detail } = self.broken(error.to_string()).await?;
                Ok(Resized::Broken { oom, detail })
            }
            Err(error) => Err(error.into()),
        }
    }

    /// Runs one program to its end. `stdin` is sent when the step takes bytes; `output` is given what the program prints
    /// as it comes (true: stdout, false: stderr).
    ///
    /// # Errors
    /// Only what is ours. A program that breaks its sandbox gives [`StepOutcome::Broken`].
    pub async fn run(
        &mut self,
        step: Step,
        stdin: &[u8],
        output: &mut (dyn FnMut(bool, &[u8]) + Send),
    ) -> Result<StepOutcome, SandboxError> {
        self.converse(step, stdin, None, output).await
    }

    /// As [`Self::run`] for a step whose stdin is streamed: `input` gives chunks until it closes.
    ///
    /// # Errors
    /// As [`Self::run`].
    pub async fn run_streaming(
        &mut self,
        step: Step,
        input: &mut mpsc::Receiver<Vec<u8>>,
        output: &mut (dyn FnMut(bool, &[u8]) + Send),
    ) -> Result<StepOutcome, SandboxError> {
        self.converse(step, &[], Some(input), output).await
    }

    async fn converse(
        &mut self,
        step: Step,
        stdin: &[u8],
        mut input: Option<&mut mpsc::Receiver<Vec<u8>>>,
        output: &mut (dyn FnMut(bool, &[u8]) + Send),
    ) -> Result<StepOutcome, SandboxError> {
        let longest = Duration::from_micros(step.wall_time_us) + SILENCE;
        if let Err(error) = self.begin(step, stdin).await {
            // Before any program ran it is ours; later, an agent that doesn't take a step any more is evidence.
            return if self.touched { self.broken(error.to_string()).await.map(Into::into) } else { Err(error) };
        }
        self.touched = true;
        let deadline = Instant::now() + longest;
        let detail = loop {
            let conversation = self.conversation.as_mut().ok_or_else(used_up)?;
            let event = tokio::select! {
                event = timeout_at(deadline, conversation.next()) => event,
                chunk = next_chunk(&mut input) => {
                    // An agent whose program has ended passes the rest over; a failing send is told by the next event.
                    pass_on(conversation, chunk.as_deref()).await;
                    if chunk.is_none() {
                        input = None;
                    }
                    continue;
                }
            };
            match event {
                Ok(Ok(Event::Stdout(data))) => output(true, &data),
                Ok(Ok(Event::Stderr(data))) => output(false, &data),
                Ok(Ok(Event::Ended(ended))) => return Ok(StepOutcome::Ended(ended)),
                Ok(Ok(Event::Failed { operation, errno })) => break agent_failure(&operation, errno).to_string(),
                Ok(Ok(other)) => break format!("the agent said {other:?}"),
                Ok(Err(lost)) => break lost.to_string(),
                Err(_) => break "the agent fell silent".to_owned(),
            }
        };
        self.broken(detail).await.map(Into::into)
    }

    async fn begin(&mut self, step: Step, stdin: &[u8]) -> Result<(), SandboxError> {
        let takes_bytes = matches!(step.stdin, Stdin::Bytes(_));
        let sent = async {
            self.send(&Request::Step(step)).await?;
            if takes_bytes { self.send_data(stdin).await } else { Ok(()) }
        };
        timeout(SILENCE, sent).await.map_err(|_| SandboxError::NotReady(SILENCE))?
    }

    /// Keeps the workspace as it is now, for the steps that restore it. `false` when the agent can't, which after a
    /// program of the job has run is that program's doing (a tree too large to be a compiler's); the sandbox is then
    /// used up.
    ///
    /// # Errors
    /// Only what is ours.
    pub async fn snapshot(&mut self) -> Result<bool, SandboxError> {
        let taken = async {
            self.send(&Request::Snapshot).await?;
            self.event().await
        };
        let reason = match taken.await {
            Ok(Event::Snapshotted { .. }) => return Ok(true),
            Ok(Event::Failed { operation, errno }) => agent_failure(&operation, errno),
            Ok(other) => SandboxError::Unexpected(format!("{other:?}")),
            Err(error) => error,
        };
        if !self.touched {
            return Err(reason);
        }
        self.broken(reason.to_string()).await.map(|_| false)
    }

    /// The snapshot's bytes, for another sandbox. They are the agent's own format and hold what the job's programs made:
    /// nothing here ever looks into them. `None` when it is over `limit` bytes or can't be had.
    ///
    /// # Errors
    /// Only what is ours.
    pub async fn collect(&mut self, limit: u64) -> Result<Option<Vec<u8>>, SandboxError> {
        let mut archive = Vec::new();
        let reason = match self.send(&Request::Collect).await {
            Err(error) => error,
            Ok(()) => loop {
                match self.event().await {
                    Ok(Event::Data(data)) if (archive.len() + data.len()) as u64 <= limit => {
                        archive.extend_from_slice(&data);
                    }
                    Ok(Event::Collected) => return Ok(Some(archive)),
                    Ok(Event::Data(_)) => return Ok(None),
                    Ok(other) => break SandboxError::Unexpected(format!("{other:?}")),
                    Err(error) => break error,
                }
            },
        };
        self.broken(reason.to_string()).await.map(|_| None)
    }

    /// Gives the agent a snapshot that another one took.
    ///
    /// # Errors
    /// Ours: no program has run yet.
    pub async fn load(&mut self, archive: &[u8]) -> Result<(), SandboxError> {
        self.send(&Request::Load { size: archive.len() as u64 }).await?;
        self.send_data(archive).await
    }

    async fn event(&mut self) -> Result<Event, SandboxError> {
        let conversation = self.conversation.as_mut().ok_or_else(used_up)?;
        match timeout(SILENCE, conversation.next()).await {
            Ok(Ok(event)) => Ok(event),
            Ok(Err(lost)) => Err(SandboxError::Conversation(lost.to_string())),
            Err(_) => Err(SandboxError::NotReady(SILENCE)),
        }
    }

    async fn send(&mut self, request: &Request) -> Result<(), SandboxError> {
        let conversation = self.conversation.as_mut().ok_or_else(used_up)?;
        conversation.send(request).await.map_err(|lost| match lost {
            Lost::Frame(error) => SandboxError::Protocol(error),
            Lost::Ended(reason) => SandboxError::Conversation(reason),
        })
    }

    async fn send_data(&mut self, data: &[u8]) -> Result<(), SandboxError> {
        for chunk in data.chunks(CHUNK) {
            self.send(&Request::Data(chunk.to_vec())).await?;
        }
        Ok(())
    }

    /// Finds out whose doing it was that the conversation broke off: the program's if the engine is well and says that
    /// the container died (or has an agent that no longer talks), ours if the engine is away.
    async fn broken(&mut self, detail: String) -> Result<Broken, SandboxError> {
        if let Some(conversation) = self.conversation.take() {
            let complaint = conversation.complaint();
            if !complaint.is_empty() {
                tracing::warn!(container.id = self.id, complaint, "the agent complained");
            }
            conversation.hang_up().await;
        }
        self.shared.engine.remove(&self.id).await?;
        let fate = self.shared.fates.of(&self.id, FATE).await;
        self.shared.engine.ping().await?;
        match fate {
            Some(fate) => Ok(Broken { oom: fate.oom, detail }),
            None => Err(SandboxError::Conversation(format!("{detail}, and the engine doesn't say how it ended"))),
        }
    }

    /// Ends the sandbox. Returns at once; the slot is free when the engine says that the container is gone.
    pub fn destroy(mut self) {
        self.tear_down();
    }

    fn tear_down(&mut self) {
        let Some(slot) = self.slot.take() else { return };
        if self.shared.settings.keep && self.conversation.is_some() {
            tell_kept(&self.id, slot.uid);
            // Our end of the connection closes; the agent goes on waiting for a step.
            return;
        }
        let shared = self.shared.clone();
        let id = std::mem::take(&mut self.id);
        let conversation = self.conversation.take();
        self.shared.teardowns.spawn(async move {
            let politely = conversation.is_some();
            if let Some(conversation) = conversation {
                conversation.hang_up().await;
            }
            let gone = politely && shared.fates.of(&id, GOODBYE).await.is_some();
            // The engine removes what has ended by itself; this is for what hasn't.
            if !gone && let Err(error) = shared.engine.remove(&id).await {
                tracing::warn!(container.id = id, %error, "a container could not be removed");
            }
            shared.fates.forget(&id);
            drop(slot);
        });
    }

    /// Removes a container in which nothing has run, and gives its slot back for another try.
    async fn remove_now(mut self) -> Slot {
        if let Err(error) = self.shared.engine.remove(&self.id).await {
            tracing::warn!(container.id = self.id, %error, "a container could not be removed");
        }
        self.shared.fates.forget(&self.id);
        self.slot.take().expect("a sandbox has its slot until it is torn down")
    }
}

impl Drop for Sandbox {
    /// The net under a cancelled job: whoever drops a sandbox instead of destroying it gets the same.
    fn drop(&mut self) {
        self.tear_down();
    }
}

fn tell_kept(id: &str, uid: u32) {
    let short = id.get(..12).unwrap_or(id);
    eprintln!(
        "caisson: kept the sandbox {short}, with the workspace as the last program left it. Look into it with\n  \
         docker exec -it -u {uid} -w /box {short} bash      (or another program of its image)\n\
         and remove it with\n  docker rm -f {short}\nA worker on this host removes it after its deadline."
    );
}

/// The next piece of a streamed stdin; never, where there is none (any more).
async fn next_chunk(input: &mut Option<&mut mpsc::Receiver<Vec<u8>>>) -> Option<Vec<u8>> {
    match input {
        Some(input) => input.recv().await,
        None => std::future::pending().await,
    }
}

async fn pass_on(conversation: &mut Conversation, chunk: Option<&[u8]>) {
    let Some(chunk) = chunk else {
        let _ = conversation.send(&Request::EndOfInput).await;
        return;
    };
    for part in chunk.chunks(CHUNK) {
        let _ = conversation.send(&Request::Data(part.to_vec())).await;
    }
}

fn used_up() -> SandboxError {
    SandboxError::Conversation("the sandbox is used up".to_owned())
}

fn agent_failure(operation: &[u8], errno: i32) -> SandboxError {
    SandboxError::Agent { operation: String::from_utf8_lossy(operation).into_owned(), errno }
}

fn first_eight(bytes: &[u8; 16]) -> [u8; 8] {
    let [a, b, c, d, e, f, g, h, ..] = *bytes;
    [a, b, c, d, e, f, g, h]
}
