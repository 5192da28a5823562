//! Requests as bytes.

use super::wire::{Reader, Writer};
use super::{FrameError, Request, Restore, Stdin, Step, kind};

impl Request {
    /// The whole frame, ready to be sent.
    pub fn encode(&self, sequence: u32) -> Vec<u8> {
        let mut out = Writer::new();
        let kind = match self {
            Request::Hello { version, nonce, key } => {
                out.u32(*version);
                out.u64(*nonce);
                out.rest(key);
                kind::HELLO
            }
            Request::File { path, executable, size } => {
                out.bytes(path);
                out.flag(*executable);
                out.u64(*size);
                kind::FILE
            }
            Request::Data(data) => {
                out.rest(data);
                kind::DATA
            }
            Request::EndOfInput => kind::END_OF_INPUT,
            Request::Step(step) => {
                out.list(&step.argv);
                out.list(&step.env);
                match step.stdin {
                    Stdin::Bytes(size) => {
                        out.flag(false);
                        out.u64(size);
                    }
                    Stdin::Stream => {
                        out.flag(true);
                        out.u64(0);
                    }
                }
                out.u8(match step.restore {
                    Restore::No => 0,
                    Restore::Keep => 1,
                    Restore::Last => 2,
                });
                for number in [
                    step.cpu_time_us,
                    step.wall_time_us,
                    step.cpu_wait_us,
                    step.file_wait_us,
                    step.output_bytes,
                    step.file_size_bytes,
                    step.open_files,
                    step.stack_bytes,
                ] {
                    out.u64(number);
                }
                kind::STEP
            }
            Request::Snapshot => kind::SNAPSHOT,
            Request::Collect => kind::COLLECT,
            Request::Load { size } => {
                out.u64(*size);
                kind::LOAD
            }
        };
        out.frame(kind, sequence)
    }

    /// # Errors
    /// When the kind is unknown or the payload isn't exactly what the kind says.
    pub fn decode(kind: u8, payload: &[u8]) -> Result<Request, FrameError> {
        let mut input = Reader(payload);
        let request = match kind {
            kind::HELLO => Request::Hello { version: input.u32()?, nonce: input.u64()?, key: input.array()? },
            kind::FILE => {
                Request::File { path: input.bytes()?.to_vec(), executable: input.flag()?, size: input.u64()? }
            }
            kind::DATA => Request::Data(input.rest().to_vec()),
            kind::END_OF_INPUT => Request::EndOfInput,
            kind::STEP => Request::Step(Step {
                argv: input.list()?,
                env: input.list()?,
                stdin: match (input.flag()?, input.u64()?) {
                    (false, size) => Stdin::Bytes(size),
                    (true, _) => Stdin::Stream,
                },
                restore: match input.u8()? {
                    0 => Restore::No,
                    1 => Restore::Keep,
                    2 => Restore::Last,
                    _ => return Err(FrameError::Malformed),
                },
                cpu_time_us: input.u64()?,
                wall_time_us: input.u64()?,
                cpu_wait_us: input.u64()?,
                file_wait_us: input.u64()?,
                output_bytes: input.u64()?,
                file_size_bytes: input.u64()?,
                open_files: input.u64()?,
                stack_bytes: input.u64()?,
            }),
            kind::SNAPSHOT => Request::Snapshot,
            kind::COLLECT => Request::Collect,
            kind::LOAD => Request::Load { size: input.u64()? },
            other => return Err(FrameError::UnknownKind(other)),
        };
        input.end()?;
        Ok(request)
    }
}
