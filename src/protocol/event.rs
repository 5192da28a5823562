//! Events as bytes.

use super::wire::{Reader, Writer};
use super::{Ended, Event, FrameError, HEADER, Header, Hindrance, SEAL, Sealer, StepEnding, kind};

impl Event {
    /// The whole frame, ready to be sent.
    pub fn encode(&self, sequence: u32) -> Vec<u8> {
        let mut out = Writer::new();
        let kind = match self {
            Event::Ready { version, nonce, cgroup, landlock, network, places } => {
                out.u32(*version);
                out.u64(*nonce);
                out.u8(*cgroup);
                out.u8(*landlock);
                out.flag(*network);
                out.u8(*places);
                kind::READY
            }
            Event::Stdout(data) => {
                out.rest(data);
                kind::STDOUT
            }
            Event::Stderr(data) => {
                out.rest(data);
                kind::STDERR
            }
            Event::Ended(ended) => {
                let (how, value) = match ended.ending {
                    StepEnding::Exited(code) => (0, code),
                    StepEnding::Signalled(signal) => (1, signal),
                    StepEnding::NotStarted(errno) => (2, errno),
                };
                out.u8(how);
                out.i32(value);
                for number in [
                    ended.cpu_time_us,
                    ended.wall_time_us,
                    ended.memory_peak_bytes,
                    ended.oom_kills,
                    ended.stdout_total_bytes,
                    ended.stderr_total_bytes,
                    ended.agent_cpu_us,
                    ended.killed_processes,
                    ended.full_places,
                ] {
                    out.u64(number);
                }
                out.flag(ended.thrashed);
                out.flag(ended.too_many_locks);
                for counter in ended.hindrance.counters() {
                    out.flag(counter.is_some());
                    out.u64(counter.unwrap_or(0));
                }
                kind::ENDED
            }
            Event::Waited { us } => {
                out.u64(*us);
                kind::WAITED
            }
            Event::Snapshotted { size } => {
                out.u64(*size);
                kind::SNAPSHOTTED
            }
            Event::Data(data) => {
                out.rest(data);
                kind::COLLECTED_DATA
            }
            Event::Collected => kind::COLLECTED,
            Event::Failed { operation, errno } => {
                out.bytes(operation);
                out.i32(*errno);
                kind::FAILED
            }
        };
        out.frame(kind, sequence)
    }

    /// # Errors
    /// When the kind is unknown or the payload isn't exactly what the kind says.
    pub fn decode(kind: u8, payload: &[u8]) -> Result<Event, FrameError> {
        let mut input = Reader(payload);
        let event = match kind {
            kind::READY => Event::Ready {
                version: input.u32()?,
                nonce: input.u64()?,
                cgroup: input.u8()?,
                landlock: input.u8()?,
                network: input.flag()?,
                places: input.u8()?,
            },
            kind::STDOUT => Event::Stdout(input.rest().to_vec()),
            kind::STDERR => Event::Stderr(input.rest().to_vec()),
            kind::ENDED => Event::Ended(Ended {
                ending: match (input.u8()?, input.i32()?) {
                    (0, code) => StepEnding::Exited(code),
                    (1, signal) => StepEnding::Signalled(signal),
                    (2, errno) => StepEnding::NotStarted(errno),
                    _ => return Err(FrameError::Malformed),
                },
                cpu_time_us: input.u64()?,
                wall_time_us: input.u64()?,
                memory_peak_bytes: input.u64()?,
                oom_kills: input.u64()?,
                stdout_total_bytes: input.u64()?,
                stderr_total_bytes: input.u64()?,
                agent_cpu_us: input.u64()?,
                killed_processes: input.u64()?,
                full_places: input.u64()?,
                thrashed: input.flag()?,
                too_many_locks: input.flag()?,
                hindrance: {
                    let mut counters = [None; 8];
                    for counter in &mut counters {
                        *counter = match (input.flag()?, input.u64()?) {
                            (true, value) => Some(value),
                            (false, 0) => None,
                            (false, _) => return Err(FrameError::Malformed),
                        };
                    }
                    Hindrance::of_counters(counters)
                },
            }),
            kind::WAITED => Event::Waited { us: input.u64()? },
            kind::SNAPSHOTTED => Event::Snapshotted { size: input.u64()? },
            kind::COLLECTED_DATA => Event::Data(input.rest().to_vec()),
            kind::COLLECTED => Event::Collected,
            kind::FAILED => Event::Failed { operation: input.bytes()?.to_vec(), errno: input.i32()? },
            other => return Err(FrameError::UnknownKind(other)),
        };
        input.end()?;
        Ok(event)
    }
    /// The event at the beginning of what has arrived, with the length of its frame and seal; `None` while it isn't whole.
    ///
    /// # Errors
    /// When it isn't the agent's frame number `expected`.
    pub fn take(arrived: &[u8], expected: u32, sealer: &Sealer) -> Result<Option<(Event, usize)>, FrameError> {
        let Some((header, rest)) = arrived.split_first_chunk::<HEADER>() else { return Ok(None) };
        let header = Header::decode(header, expected)?;
        let Some((payload, rest)) = rest.split_at_checked(header.length) else { return Ok(None) };
        let Some(seal) = rest.first_chunk::<SEAL>() else { return Ok(None) };
        let frame = &arrived[..HEADER + header.length];
        // An agent that can't even get ready says so before it has the key. Nothing of the job has run by then.
        let unsealed = expected == 0 && header.kind == kind::FAILED;
        if *seal != sealer.seal(frame) && !(unsealed && *seal == Sealer::default().seal(frame)) {
            return Err(FrameError::Forged);
        }
        Ok(Some((Event::decode(header.kind, payload)?, HEADER + header.length + SEAL)))
    }
}
