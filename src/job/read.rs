//! Bytes to a `JobMessage`, and a second, lenient look at what could not be one.

use std::borrow::Cow;
use std::fmt;

use serde::Deserializer;
use serde::de::{Deserialize, IgnoredAny, MapAccess, Visitor};
use serde_json::value::RawValue;

use super::explain::{WHOLE, explain};
use super::message::JobMessage;
use super::shape::Object;
use super::{Bounds, Rejection, check, metadata};

/// The body as text, if it can be JSON at all.
pub(super) fn text<'a>(body: &'a [u8], bounds: &Bounds) -> Result<&'a str, Rejection> {
    let refuse = |reason: String| Err(Rejection::new(WHOLE, reason));
    if body.len() > bounds.body_bytes {
        return refuse(format!("must have at most {} bytes, has {}", bounds.body_bytes, body.len()));
    }
    if body.starts_with("\u{feff}".as_bytes()) {
        return refuse("begins with a byte order mark; JSON has none".to_owned());
    }
    match std::str::from_utf8(body) {
        Ok(text) if text.trim_ascii().is_empty() => refuse("is empty".to_owned()),
        Ok(text) => Ok(text),
        Err(error) => refuse(format!("is not UTF-8 from byte {} on", error.valid_up_to())),
    }
}

pub(super) fn message(text: &str) -> Result<JobMessage, Rejection> {
    let mut deserializer = serde_json::Deserializer::from_str(text);
    let Object(message) = serde_path_to_error::deserialize::<_, Object<JobMessage>>(&mut deserializer)
        .map_err(|error| explain(&error))?;
    deserializer.end().map_err(|error| {
        let path = serde_path_to_error::Track::new().path();
        explain(&serde_path_to_error::Error::new(path, error))
    })?;
    Ok(message)
}

/// The id and the metadata of a message that is JSON but no job, each if it is there once and valid by itself.
///
/// Values in between are skipped without recursion and without keeping them, so that this costs one more walk over the
/// bytes.
pub(super) fn what_can_be_echoed(text: &str) -> (Option<String>, Option<Box<RawValue>>) {
    let Ok(echo) = serde_json::from_str::<Echo<'_>>(text) else { return (None, None) };
    let once = |values: Vec<&str>| <[&str; 1]>::try_from(values).ok().map(|[value]| value.to_owned());
    let id = once(echo.ids).and_then(|raw| serde_json::from_str::<String>(&raw).ok());
    let metadata = once(echo.metadata).and_then(|raw| RawValue::from_string(raw).ok());
    (
        id.filter(|id| check::id("id", id).is_ok()),
        metadata.filter(|raw| raw.get().starts_with('{') && metadata::check(raw).is_ok()),
    )
}

/// At most two values of each: one more than is good.
#[derive(Default)]
struct Echo<'a> {
    ids: Vec<&'a str>,
    metadata: Vec<&'a str>,
}

impl<'de: 'a, 'a> Deserialize<'de> for Echo<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(EchoVisitor)
    }
}

struct EchoVisitor;

impl<'de> Visitor<'de> for EchoVisitor {
    type Value = Echo<'de>;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Echo<'de>, A::Error> {
        let mut echo = Echo::default();
        while let Some(key) = map.next_key::<Cow<'de, str>>()? {
            let values = match key.as_ref() {
                "id" => &mut echo.ids,
                "metadata" => &mut echo.metadata,
                _ => {
                    map.next_value::<IgnoredAny>()?;
                    continue;
                }
            };
            let value = map.next_value::<&RawValue>()?.get();
            if values.len() < 2 {
                values.push(value);
            }
        }
        Ok(echo)
    }
}
