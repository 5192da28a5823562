//! Running one program in a sandbox, and finding out whose doing it was when the agent no longer answers.

use std::time::Duration;

use tokio::sync::mpsc;
use tokio::time::{Instant, timeout, timeout_at};

use super::blame::{Broken, Cause, blame};
use super::{Sandbox, agent_failure, used_up};
use crate::protocol::{CHUNK, Ended, Event, Request, Stdin, Step};
use crate::sandbox::conversation::Conversation;
use crate::sandbox::{SandboxError, Shared};

/// How a step went.
#[derive(Debug)]
pub enum StepOutcome {
    Ended(Ended),
    /// The agent died or fell silent, which is the job's doing. The sandbox is used up.
    Broken(Broken),
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
        let longest = Duration::from_micros(step.wall_time_us) + self.shared.settings.patience.silence;
        let host_wait_us = step.cpu_wait_us.saturating_add(step.file_wait_us);
        self.conduct.begins();
        if let Err(error) = self.begin(step, stdin).await {
            return self.broken(error.into()).await.map(StepOutcome::Broken);
        }
        self.touched = true;
        let started = Instant::now();
        let mut deadline = started + longest;
        let mut is_asked = false;
        let cause = loop {
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
                // What the host is behind doesn't count against the program; past its bound, the agent ends it.
                Ok(Ok(Event::Waited { us })) => deadline = started + longest + Duration::from_micros(us.min(host_wait_us)),
                Ok(Ok(Event::Ended(ended))) => {
                    self.conduct.has_run(&ended);
                    return Ok(StepOutcome::Ended(ended));
                }
                Ok(Ok(Event::Failed { operation, errno })) => break agent_failure(&operation, errno).into(),
                Ok(Ok(other)) => break Cause::Said(format!("the agent said {other:?}")),
                Ok(Err(lost)) => break lost.into(),
                // An engine that hung until now has the answer in hand still; one that still hangs is no silent agent.
                Err(_) if !is_asked => {
                    is_asked = true;
                    self.shared.engine.ping().await?;
                    deadline = Instant::now() + self.shared.settings.patience.goodbye;
                }
                Err(_) => break Cause::Said("the agent fell silent".to_owned()),
            }
        };
        self.broken(cause).await.map(StepOutcome::Broken)
    }

    async fn begin(&mut self, step: Step, stdin: &[u8]) -> Result<(), SandboxError> {
        let takes_bytes = matches!(step.stdin, Stdin::Bytes(_));
        self.feed(&Request::Step(step)).await?;
        if takes_bytes {
            self.feed_data(stdin).await?;
        }
        self.flush().await
    }

    /// Ends the sandbox, and finds out whose doing it was that the conversation broke off. The engine has to be well for
    /// that: what happens while it is away is nobody's doing.
    ///
    /// # Errors
    /// Where it wasn't the job's.
    pub(super) async fn broken(&mut self, cause: Cause) -> Result<Broken, SandboxError> {
        let cause = self.hear_out(cause).await;
        let Shared { engine, fates, settings, .. } = &*self.shared;
        let limit = settings.patience.fate;
        let fate = if let Cause::Ended(_) = cause {
            // Left alone first: once we have it killed, what ended it can't be told any more.
            let fate = fates.of(&self.id, limit).await;
            engine.remove(&self.id).await?;
            fate
        } else {
            engine.remove(&self.id).await?;
            fates.of(&self.id, limit).await
        };
        engine.ping().await?;
        if fate.is_none() {
            fates.listen_anew();
        }
        let broken = blame(cause, self.touched, fate)?;
        tracing::info!(container.id = self.id, detail = broken.detail, oom = broken.oom, "a job broke its sandbox");
        Ok(broken)
    }

    /// Ends the conversation. An agent that gave up while something was sent to it has said why, and is gone: then the
    /// sending failed, and its words are still to be read.
    async fn hear_out(&mut self, cause: Cause) -> Cause {
        let Some(mut conversation) = self.conversation.take() else { return cause };
        let goodbye = self.shared.settings.patience.goodbye;
        let cause = match cause {
            Cause::Ended(_) => timeout(goodbye, last_words(&mut conversation)).await.ok().flatten().unwrap_or(cause),
            Cause::Failed { .. } | Cause::Said(_) => cause,
        };
        let complaint = conversation.complaint();
        if !complaint.is_empty() {
            tracing::warn!(container.id = self.id, complaint, "the agent complained");
        }
        conversation.hang_up().await;
        cause
    }
}

/// Why the agent couldn't go on, if that is the last that it said.
async fn last_words(conversation: &mut Conversation) -> Option<Cause> {
    loop {
        if let Event::Failed { operation, errno } = conversation.next().await.ok()? {
            return Some(agent_failure(&operation, errno).into());
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
