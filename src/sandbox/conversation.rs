//! Frames over an attached container: requests to its stdin, events from its stdout.

use std::pin::Pin;

use bollard::container::{AttachContainerResults, LogOutput};
use bytes::{Buf, BytesMut};
use futures_util::{Stream, StreamExt};
use tokio::io::{AsyncWrite, AsyncWriteExt};

use crate::protocol::{CHUNK, Event, FrameError, Request, Sealer};

/// How much of what the agent says on stderr (a panic, at most) is kept for the log.
const COMPLAINT_BYTES: usize = 2_048;

/// Why no further event came.
#[derive(Debug)]
pub(crate) enum Lost {
    /// The connection ended, or a write failed.
    Ended(String),
    /// What came isn't the protocol.
    Frame(FrameError),
}

impl std::fmt::Display for Lost {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Lost::Ended(reason) => formatter.write_str(reason),
            Lost::Frame(error) => error.fmt(formatter),
        }
    }
}

pub(crate) struct Conversation {
    input: Pin<Box<dyn AsyncWrite + Send>>,
    output: Pin<Box<dyn Stream<Item = Result<LogOutput, bollard::errors::Error>> + Send>>,
    buffer: BytesMut,
    /// Frames that are yet to be sent.
    unsent: Vec<u8>,
    sent: u32,
    received: u32,
    key: [u8; 16],
    sealer: Sealer,
    complaint: Vec<u8>,
}

impl std::fmt::Debug for Conversation {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Conversation").field("sent", &self.sent).field("received", &self.received).finish()
    }
}

impl Conversation {
    /// `key` is the one that the agent is greeted with.
    pub(crate) fn new(attached: AttachContainerResults, key: [u8; 16]) -> Conversation {
        Conversation {
            input: attached.input,
            output: attached.output,
            buffer: BytesMut::new(),
            unsent: Vec::new(),
            sent: 0,
            received: 0,
            key,
            sealer: Sealer::new(key),
            complaint: Vec::new(),
        }
    }

    /// What the agent is to seal its frames with.
    pub(crate) fn key(&self) -> [u8; 16] {
        self.key
    }

    /// Sends a frame, and those before it that are yet to be sent. Not cancel-safe: a dropped send leaves half a frame.
    pub(crate) async fn send(&mut self, request: &Request) -> Result<(), Lost> {
        self.feed(request).await?;
        self.flush().await
    }

    /// Sends a frame together with those after it: each write wakes the engine, its shim and the agent. Nobody may wait for
    /// an answer before the next [`Self::send`] or [`Self::flush`]. Not cancel-safe either.
    pub(crate) async fn feed(&mut self, request: &Request) -> Result<(), Lost> {
        self.unsent.extend_from_slice(&request.encode(self.sent));
        self.sent = self.sent.wrapping_add(1);
        if self.unsent.len() >= CHUNK { self.flush().await } else { Ok(()) }
    }

    /// Sends what is yet to be sent.
    pub(crate) async fn flush(&mut self) -> Result<(), Lost> {
        let unsent = std::mem::take(&mut self.unsent);
        self.input.write_all(&unsent).await.map_err(|error| Lost::Ended(error.to_string()))?;
        self.input.flush().await.map_err(|error| Lost::Ended(error.to_string()))
    }

    /// The next frame. Cancel-safe: what has arrived stays in the buffer.
    pub(crate) async fn next(&mut self) -> Result<Event, Lost> {
        loop {
            if let Some(event) = self.take().map_err(Lost::Frame)? {
                return Ok(event);
            }
            match self.output.next().await {
                Some(Ok(LogOutput::StdErr { message })) => {
                    let room = COMPLAINT_BYTES.saturating_sub(self.complaint.len());
                    self.complaint.extend_from_slice(&message[..message.len().min(room)]);
                }
                Some(Ok(output)) => self.buffer.extend_from_slice(&output.into_bytes()),
                Some(Err(error)) => return Err(Lost::Ended(error.to_string())),
                None => return Err(Lost::Ended("the container's output ended".to_owned())),
            }
        }
    }

    fn take(&mut self) -> Result<Option<Event>, FrameError> {
        let Some((event, length)) = Event::take(&self.buffer, self.received, &self.sealer)? else { return Ok(None) };
        self.buffer.advance(length);
        self.received = self.received.wrapping_add(1);
        Ok(Some(event))
    }

    /// Closes the agent's stdin, which ends it and its container.
    pub(crate) async fn hang_up(mut self) {
        // A connection that is gone already is closed already.
        let _ = self.input.shutdown().await;
    }

    /// Closes the agent's stdin and listens until its output ends. Whether it left without another word.
    pub(crate) async fn part(mut self) -> bool {
        if self.input.shutdown().await.is_err() || !self.buffer.is_empty() {
            return false;
        }
        while let Some(output) = self.output.next().await {
            if !output.is_ok_and(|output| output.into_bytes().is_empty()) {
                return false;
            }
        }
        self.complaint.is_empty()
    }

    /// What the agent said on stderr: a panic's message, if anything.
    pub(crate) fn complaint(&self) -> String {
        String::from_utf8_lossy(&self.complaint).trim().to_owned()
    }
}
