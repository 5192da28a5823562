//! Running one program in a sandbox, and finding out whose doing it was when the agent no longer answers.

use std::time::Duration;

use tokio::sync::mpsc;
use tokio::time::{Instant, timeout, timeout_at};

use super::{Broken, SILENCE, Sandbox, agent_failure, used_up};
use crate::protocol::{CHUNK, Ended, Event, Request, Stdin, Step};
use crate::sandbox::SandboxError;
use crate::sandbox::conversation::Conversation;

/// How long the engine may take to tell of a container's end.
const FATE: Duration = Duration::from_secs(10);

/// How a step went.
#[derive(Debug)]
pub enum StepOutcome {
    Ended(Ended),
    /// The agent died or fell silent while the program ran, which is the program's doing. The sandbox is used up.
    Broken { oom: bool, detail: String },
}

impl From<Broken> for StepOutcome {
    fn from(broken: Broken) -> StepOutcome {
        StepOutcome::Broken { oom: broken.oom, detail: broken.detail }
    }
}

impl Sandbox {
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

    /// Finds out whose doing it was that the conversation broke off: the program's if the engine is well and says that
    /// the container died (or has an agent that no longer talks), ours if the engine is away.
    pub(super) async fn broken(&mut self, detail: String) -> Result<Broken, SandboxError> {
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
