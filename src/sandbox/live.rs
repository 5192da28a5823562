//! One live sandbox, from create to gone.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::{Instant, timeout, timeout_at};

use super::conversation::{Broken, Conversation};
use super::slots::{Permit, Slot};
use super::spec::{AGENT_PROCESSES, START_MEMORY_BYTES, START_PIDS, Spec};
use super::{Need, SandboxError, Shared, agent};
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

/// A container made for one job, with an agent that has answered.
#[derive(Debug)]
pub struct Sandbox {
    shared: Arc<Shared>,
    id: String,
    conversation: Option<Conversation>,
    slot: Option<Slot>,
    memory_bytes: u64,
    pids: u64,
    /// Whether a program of the job has run: from then on, a failing agent is evidence about it.
    touched: bool,
}

pub(crate) async fn acquire(shared: &Arc<Shared>, permit: Permit, need: &Need) -> Result<Sandbox, SandboxError> {
    let slot = shared.slots.slot(permit, need.memory_bytes).await;
    let volume = shared.agent.get_or_try_init(|| agent::install(&shared.engine)).await?;
    match start(shared, slot, need, volume).await {
        // Somebody removed the volume meanwhile (another worker that ended, or a prune): the engine makes an empty one
        // in its place. Fill it and try once more.
        Err((SandboxError::Engine(error), slot)) if error.reason.contains(agent::PROGRAM) => {
            tracing::info!(volume, "the agent's volume is empty; filling it again");
            agent::fill(&shared.engine, volume).await?;
            start(shared, slot, need, volume).await.map_err(|(error, _)| error)
        }
        outcome => outcome.map_err(|(error, _)| error),
    }
}

async fn start(
    shared: &Arc<Shared>,
    slot: Slot,
    need: &Need,
    volume: &str,
) -> Result<Sandbox, (SandboxError, Slot)> {
    let cpus = slot.cpu.map(|cpu| cpu.to_string());
    let spec = Spec {
        image: &need.image.digest,
        memory_bytes: need.memory_bytes,
        processes: need.processes,
        disk_bytes: need.disk_bytes,
        uid: slot.uid,
        cpus: cpus.as_deref(),
        runtime: shared.settings.runtime.as_deref(),
        agent_volume: volume,
        labels: &need.labels,
    };
    let name = format!("caisson-{}", uuid::Uuid::new_v4().simple());
    let id = match shared.engine.create(&name, spec.create_body()).await {
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
        memory_bytes: need.memory_bytes.max(START_MEMORY_BYTES),
        pids: (need.processes + AGENT_PROCESSES).max(START_PIDS),
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
            Ok(Event::Ready { version: VERSION, nonce: echoed, network, .. }) if echoed == nonce => {
                if network {
                    return Err(SandboxError::Network);
                }
            }
            Ok(Event::Failed { operation, errno }) => return Err(agent_failure(&operation, errno)),
            Ok(other) => return Err(SandboxError::Unexpected(format!("{other:?}"))),
            Err(broken) => {
                let complaint = conversation.complaint();
                return Err(SandboxError::Conversation(format!("{broken} {complaint}").trim().to_owned()));
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

    /// Sets what the kernel holds the container to, if it isn't that already. `false` when what earlier programs left
    /// takes more memory than that, so that the kernel refuses.
    ///
    /// # Errors
    /// When the engine fails.
    pub async fn resize(&mut self, memory_bytes: u64, processes: u64) -> Result<bool, SandboxError> {
        let pids = processes + AGENT_PROCESSES;
        if (memory_bytes, pids) == (self.memory_bytes, self.pids) {
            return Ok(true);
        }
        match self.shared.engine.resize(&self.id, memory_bytes, pids).await {
            Ok(()) => {
                (self.memory_bytes, self.pids) = (memory_bytes, pids);
                Ok(true)
            }
            // cgroup v1 answers EBUSY when it can't get below the new limit by dropping caches.
            Err(error) if self.touched && error.status.is_some() && error.reason.contains("busy") => Ok(false),
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
        let deadline = self.begin(step, stdin).await?;
        let ended = loop {
            let conversation = self.conversation.as_mut().ok_or_else(used_up)?;
            match timeout_at(deadline, conversation.next()).await {
                Ok(Ok(Event::Stdout(data))) => output(true, &data),
                Ok(Ok(Event::Stderr(data))) => output(false, &data),
                Ok(Ok(Event::Ended(ended))) => break ended,
                Ok(Ok(Event::Failed { operation, errno })) => {
                    let error = agent_failure(&operation, errno);
                    return self.broken(error.to_string()).await;
                }
                Ok(Ok(other)) => return self.broken(format!("the agent said {other:?}")).await,
                Ok(Err(broken)) => return self.broken(broken.to_string()).await,
                Err(_) => return self.broken("the agent fell silent".to_owned()).await,
            }
        };
        Ok(StepOutcome::Ended(ended))
    }

    /// As [`Self::run`] for a step whose stdin is streamed: `input` gives chunks until it gives none.
    ///
    /// # Errors
    /// As [`Self::run`].
    pub async fn run_streaming(
        &mut self,
        step: Step,
        input: &mut tokio::sync::mpsc::Receiver<Vec<u8>>,
        output: &mut (dyn FnMut(bool, &[u8]) + Send),
    ) -> Result<StepOutcome, SandboxError> {
        let deadline = self.begin(step, &[]).await?;
        let mut input_open = true;
        let ended = loop {
            let conversation = self.conversation.as_mut().ok_or_else(used_up)?;
            let event = tokio::select! {
                event = timeout_at(deadline, conversation.next()) => event,
                chunk = input.recv(), if input_open => {
                    // An agent whose program has ended passes the rest over, so a failing send is told by the next event.
                    match chunk {
                        Some(chunk) => {
                            for part in chunk.chunks(CHUNK) {
                                let _ = conversation.send(&Request::Data(part.to_vec())).await;
                            }
                        }
                        None => {
                            input_open = false;
                            let _ = conversation.send(&Request::EndOfInput).await;
                        }
                    }
                    continue;
                }
            };
            match event {
                Ok(Ok(Event::Stdout(data))) => output(true, &data),
                Ok(Ok(Event::Stderr(data))) => output(false, &data),
                Ok(Ok(Event::Ended(ended))) => break ended,
                Ok(Ok(other)) => return self.broken(format!("the agent said {other:?}")).await,
                Ok(Err(broken)) => return self.broken(broken.to_string()).await,
                Err(_) => return self.broken("the agent fell silent".to_owned()).await,
            }
        };
        Ok(StepOutcome::Ended(ended))
    }

    async fn begin(&mut self, step: Step, stdin: &[u8]) -> Result<Instant, SandboxError> {
        let wall_time = Duration::from_micros(step.wall_time_us);
        let takes_bytes = matches!(step.stdin, Stdin::Bytes(_));
        let sent = async {
            self.send(&Request::Step(step)).await?;
            if takes_bytes { self.send_data(stdin).await } else { Ok(()) }
        };
        timeout(SILENCE, sent).await.map_err(|_| SandboxError::NotReady(SILENCE))??;
        self.touched = true;
        Ok(Instant::now() + wall_time + SILENCE)
    }

    /// Keeps the workspace as it is now, for the steps that restore it. `false` when the agent can't, which after a
    /// program of the job has run is that program's doing (a tree too large or too deep to be a compiler's).
    ///
    /// # Errors
    /// Only what is ours.
    pub async fn snapshot(&mut self) -> Result<bool, SandboxError> {
        self.send(&Request::Snapshot).await?;
        match self.event().await? {
            Event::Snapshotted { .. } => Ok(true),
            Event::Failed { operation, errno } if !self.touched => Err(agent_failure(&operation, errno)),
            _ => Ok(false),
        }
    }

    /// The snapshot's bytes, for another sandbox. They are the agent's own format and hold what the job's programs made:
    /// nothing here ever looks into them. `None` when it is over `limit` bytes or can't be had.
    ///
    /// # Errors
    /// Only what is ours.
    pub async fn collect(&mut self, limit: u64) -> Result<Option<Vec<u8>>, SandboxError> {
        self.send(&Request::Collect).await?;
        let mut archive = Vec::new();
        loop {
            match self.event().await? {
                Event::Data(data) if (archive.len() + data.len()) as u64 <= limit => archive.extend_from_slice(&data),
                Event::Collected => return Ok(Some(archive)),
                _ => return Ok(None),
            }
        }
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
            Ok(Err(broken)) => Err(SandboxError::Conversation(broken.to_string())),
            Err(_) => Err(SandboxError::NotReady(SILENCE)),
        }
    }

    async fn send(&mut self, request: &Request) -> Result<(), SandboxError> {
        let conversation = self.conversation.as_mut().ok_or_else(used_up)?;
        conversation.send(request).await.map_err(|broken| match broken {
            Broken::Frame(error) => SandboxError::Protocol(error),
            Broken::Ended(reason) => SandboxError::Conversation(reason),
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
    async fn broken(&mut self, detail: String) -> Result<StepOutcome, SandboxError> {
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
            Some(fate) => Ok(StepOutcome::Broken { oom: fate.oom, detail }),
            None => Err(SandboxError::Conversation(format!("{detail}, and the engine doesn't say how it ended"))),
        }
    }

    /// Ends the sandbox. Returns at once; the slot is free when the engine says that the container is gone.
    pub fn destroy(mut self) {
        self.tear_down();
    }

    fn tear_down(&mut self) {
        let Some(slot) = self.slot.take() else { return };
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
