//! What can happen to a request.

use std::time::Duration;

/// What happens to a request.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Fault {
    /// Answered as a service in trouble does, with a 500, without anything being done.
    Refused,
    /// Answered with this status, without anything being done. A 400 from SQS is a throttled request.
    Answered(u16),
    /// Answered with a 200 and this, without anything being done.
    Says(&'static str),
    /// Answered as S3 does where the credentials are good and not enough.
    Denied,
    /// Never answered, and nothing is done.
    Hangs,
    /// Done, but the answer is lost with its connection.
    AnswerLost,
    /// Not done: the connection is reset. (A Unix socket knows no reset; it just ends.)
    Reset,
    /// Done, this much later.
    Late(Duration),
    /// Done, when [`Proxy::let_pass`](super::Proxy::let_pass) says so.
    Held,
    /// Done; the connection is reset when so many bytes of the answer have passed.
    CutAfter(usize),
    /// Done; the answer comes in pieces of 16 bytes, so long apart.
    Drips(Duration),
    /// Done; half of the answer comes, then the end of the stream, while the other direction stays open.
    HalfClosed,
    /// A batch is done in part: what becomes of each entry, in order, and from the beginning again when there are more of
    /// them. What is no batch passes unharmed.
    Entries(&'static [Entry]),
    /// A batch is done but for the messages whose body is longer than this, which SQS refuses each by itself.
    Longest(usize),
    /// Done; what it brings comes without this attribute.
    Without(&'static str),
}

/// What becomes of an entry of a batch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Entry {
    /// It is done, and the answer says so.
    Done,
    /// It isn't done, and the answer says so with this code.
    Refused(&'static str),
    /// It isn't done, and the answer doesn't name it.
    Forgotten,
    /// It is done, and the answer doesn't name it.
    Unconfirmed,
}

impl Fault {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Fault::Refused | Fault::Answered(_) | Fault::Denied => "refused",
            Fault::Says(_) => "confirms nothing",
            Fault::Hangs => "hangs",
            Fault::AnswerLost => "answer lost",
            Fault::Reset => "reset",
            Fault::Late(_) | Fault::Held => "late",
            Fault::CutAfter(_) => "cut off",
            Fault::Drips(_) => "drips",
            Fault::HalfClosed => "half closed",
            Fault::Entries(_) | Fault::Longest(_) => "done in part",
            Fault::Without(_) => "an attribute is missing",
        }
    }

    /// Whether the client gets the whole answer of whoever answered.
    pub(super) fn is_delivered(self) -> bool {
        !matches!(self, Fault::AnswerLost | Fault::CutAfter(_) | Fault::HalfClosed)
    }
}
