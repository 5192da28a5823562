//! Trace context: which trace a job belongs to, as its message says by W3C Trace Context (`traceparent`, `tracestate`) or
//! by AWS X-Ray's header, and how the result goes on with it.
//!
//! Whatever doesn't follow the letter of the two formats is as if it weren't there: a producer's mistake in a header is
//! no reason to refuse its job, and text that a stranger wrote must not get into our log unread.

/// A job's place in a trace. The default is none, which most jobs have, so the rest is kept elsewhere.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Trace {
    w3c: Option<Box<W3c>>,
    aws: Option<Box<Aws>>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct W3c {
    /// 32 lower-case hexadecimal digits, not all zero.
    trace_id: String,
    /// 16 of them, the caller's span.
    span_id: String,
    flags: u8,
    /// As it came; only ever there with a valid parent.
    state: Option<String>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Aws {
    /// As it came.
    header: String,
    trace_id: String,
    span_id: Option<String>,
}

/// The flags that the specification gives a meaning (sampled, random trace id). Others are set to zero when passed on.
const KNOWN_FLAGS: u8 = 0b11;

/// What the specification asks everybody to pass on, in bytes. Longer ones are left out.
const LONGEST_STATE: usize = 512;
const MOST_STATE_MEMBERS: usize = 32;

/// X-Ray's headers are around a hundred bytes; there may be data of the sender's own behind.
const LONGEST_AWS: usize = 512;

impl Trace {
    /// Reads the headers of a message, each of which may be absent or anything.
    pub fn read(traceparent: Option<&str>, tracestate: Option<&str>, aws: Option<&str>) -> Trace {
        let w3c = traceparent.and_then(parent).map(|(trace_id, span_id, flags)| {
            let state = tracestate.filter(|state| is_state(state)).map(str::to_owned);
            Box::new(W3c { trace_id, span_id, flags, state })
        });
        Trace { w3c, aws: aws.and_then(aws_header).map(Box::new) }
    }

    /// The trace's id, 32 hexadecimal digits. `traceparent` goes before AWS's header, whose id is written here without
    /// its version and hyphens, as AWS itself does it for W3C.
    pub fn id(&self) -> Option<&str> {
        let w3c = self.w3c.as_ref().map(|w3c| w3c.trace_id.as_str());
        w3c.or_else(|| self.aws.as_ref().map(|aws| aws.trace_id.as_str()))
    }

    /// The span that sent the job, 16 hexadecimal digits.
    pub fn parent_span(&self) -> Option<&str> {
        match &self.w3c {
            Some(w3c) => Some(&w3c.span_id),
            None => self.aws.as_ref()?.span_id.as_deref(),
        }
    }

    /// The trace as it goes on from an execution: its span takes the place of the sender's. The span's id is made of the
    /// end of the execution's (a random UUID), so that each can be told from the other.
    #[must_use]
    pub fn continued(&self, execution_id: &str) -> Trace {
        let digits: String = execution_id.chars().filter(char::is_ascii_hexdigit).collect::<String>().to_lowercase();
        let span = digits.len().checked_sub(16).map(|start| digits[start..].to_owned()).filter(|span| is_id(span, 16));
        let w3c = self.w3c.clone().zip(span).map(|(w3c, span_id)| Box::new(W3c { span_id, ..*w3c }));
        Trace { w3c, aws: self.aws.clone() }
    }

    pub fn traceparent(&self) -> Option<String> {
        self.w3c.as_ref().map(|w3c| format!("00-{}-{}-{:02x}", w3c.trace_id, w3c.span_id, w3c.flags))
    }

    pub fn tracestate(&self) -> Option<&str> {
        self.w3c.as_ref()?.state.as_deref()
    }

    /// AWS's header, as it came.
    pub fn aws_header(&self) -> Option<&str> {
        self.aws.as_ref().map(|aws| aws.header.as_str())
    }
}

/// `00-<trace id>-<span id>-<flags>`; a later version may have more behind another hyphen.
fn parent(header: &str) -> Option<(String, String, u8)> {
    let mut parts = header.splitn(5, '-');
    let (version, trace_id, span_id, flags) = (parts.next()?, parts.next()?, parts.next()?, parts.next()?);
    let rest = parts.next();
    let hex = |text: &str| is_hex(text, 2).then(|| u8::from_str_radix(text, 16).ok()).flatten();
    match hex(version)? {
        0xff => return None,
        0 if rest.is_some() => return None,
        _ => {}
    }
    let flags = hex(flags)? & KNOWN_FLAGS;
    (is_id(trace_id, 32) && is_id(span_id, 16)).then(|| (trace_id.to_owned(), span_id.to_owned(), flags))
}

fn is_hex(text: &str, length: usize) -> bool {
    text.len() == length && text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
}

/// Hexadecimal, and not all zeros, which both formats keep for "none".
fn is_id(text: &str, length: usize) -> bool {
    is_hex(text, length) && text.bytes().any(|byte| byte != b'0')
}

/// Members `key=value`, separated by commas, with blanks around them; none twice, and empty ones don't matter.
fn is_state(state: &str) -> bool {
    let mut keys = Vec::new();
    for member in state.split(',').map(|member| member.trim_matches([' ', '\t'])).filter(|member| !member.is_empty()) {
        let Some((key, value)) = member.split_once('=') else { return false };
        if !is_state_key(key) || !is_state_value(value) || keys.contains(&key) {
            return false;
        }
        keys.push(key);
    }
    (1..=MOST_STATE_MEMBERS).contains(&keys.len()) && state.len() <= LONGEST_STATE
}

/// A simple key of up to 256, or a tenant of up to 241 at a system of up to 14 characters.
fn is_state_key(key: &str) -> bool {
    let is_part = |part: &str, most: usize, digit_first: bool| {
        let begins = |byte: u8| byte.is_ascii_lowercase() || (digit_first && byte.is_ascii_digit());
        let goes_on = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"_-*/".contains(&byte);
        part.len() <= most && part.bytes().next().is_some_and(begins) && part.bytes().all(goes_on)
    };
    match key.split_once('@') {
        Some((tenant, system)) => is_part(tenant, 241, true) && is_part(system, 14, false),
        None => is_part(key, 256, false),
    }
}

/// Printable ASCII without comma and equals sign, not ending in a blank.
fn is_state_value(value: &str) -> bool {
    let is_allowed = |byte: u8| (b' '..=b'~').contains(&byte) && byte != b',' && byte != b'=';
    (1..=256).contains(&value.len()) && value.bytes().all(is_allowed) && !value.ends_with(' ')
}

/// `Root=1-<8 digits>-<24 digits>;Parent=<16 digits>;Sampled=1`, in any order, with further pairs allowed.
fn aws_header(header: &str) -> Option<Aws> {
    if header.len() > LONGEST_AWS {
        return None;
    }
    let (mut trace_id, mut span_id) = (None, None);
    let mut names = Vec::new();
    for pair in header.split(';') {
        let (name, value) = pair.split_once('=')?;
        let is_word = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_graphic() && byte != b',');
        if !is_word(name) || !is_word(value) || names.contains(&name) {
            return None;
        }
        names.push(name);
        match name {
            "Root" => {
                let (seconds, rest) = value.strip_prefix("1-")?.split_once('-')?;
                let id = format!("{seconds}{rest}");
                trace_id = Some(id).filter(|id| seconds.len() == 8 && is_id(id, 32));
                trace_id.as_ref()?;
            }
            "Parent" if is_id(value, 16) => span_id = Some(value.to_owned()),
            "Sampled" if ["0", "1", "?"].contains(&value) => {}
            "Parent" | "Sampled" => return None,
            _ => {}
        }
    }
    Some(Aws { header: header.to_owned(), trace_id: trace_id?, span_id })
}

#[cfg(test)]
mod tests;
