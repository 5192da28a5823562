//! Metadata: echoed as it was written, so it is looked at and never taken apart.
//!
//! It has to be JSON that any consumer reads the same way: no key twice, no number out of range, no half characters, no
//! depth that a recursive reader would fall over.

use std::collections::HashSet;
use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, Error, MapAccess, SeqAccess, Visitor};
use serde_json::value::RawValue;

use super::explain::{WHOLE, explain};
use super::{MAX_METADATA_BYTES, MAX_METADATA_DEPTH, Rejection};

/// # Errors
/// A [`Rejection`] with the full path of what is wrong.
pub(super) fn check(raw: &RawValue) -> Result<(), Rejection> {
    let text = raw.get();
    if text.len() > MAX_METADATA_BYTES {
        let reason = format!("must have at most {MAX_METADATA_BYTES} bytes, has {}", text.len());
        return Err(Rejection::new("metadata", reason));
    }
    if !text.starts_with('{') {
        return Err(Rejection::new("metadata", "must be an object"));
    }
    let mut track = serde_path_to_error::Track::new();
    let mut deserializer = serde_json::Deserializer::from_str(text);
    let tracked = serde_path_to_error::Deserializer::new(&mut deserializer, &mut track);
    Well { depth: 0 }.deserialize(tracked).map_err(|error| {
        let rejection = explain(&serde_path_to_error::Error::new(track.path(), error));
        match rejection.field.as_str() {
            WHOLE => Rejection { field: "metadata".to_owned(), ..rejection },
            _ => rejection.inside("metadata"),
        }
    })
}

/// A value that is well-formed, as deep in as `depth` says.
#[derive(Clone, Copy)]
struct Well {
    depth: usize,
}

impl Well {
    fn inside<E: Error>(self) -> Result<Well, E> {
        match self.depth {
            MAX_METADATA_DEPTH => {
                Err(E::custom(format_args!("is nested too deeply; {MAX_METADATA_DEPTH} levels are allowed")))
            }
            depth => Ok(Well { depth: depth + 1 }),
        }
    }
}

impl<'de> DeserializeSeed<'de> for Well {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Well {
    type Value = ();

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("a value")
    }

    fn visit_bool<E: Error>(self, _: bool) -> Result<(), E> {
        Ok(())
    }

    fn visit_i64<E: Error>(self, _: i64) -> Result<(), E> {
        Ok(())
    }

    fn visit_u64<E: Error>(self, _: u64) -> Result<(), E> {
        Ok(())
    }

    fn visit_f64<E: Error>(self, _: f64) -> Result<(), E> {
        Ok(())
    }

    fn visit_str<E: Error>(self, _: &str) -> Result<(), E> {
        Ok(())
    }

    fn visit_unit<E: Error>(self) -> Result<(), E> {
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<(), A::Error> {
        let inside = self.inside()?;
        while seq.next_element_seed(inside)?.is_some() {}
        Ok(())
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        let inside = self.inside()?;
        let mut keys = HashSet::new();
        while let Some(key) = map.next_key::<String>()? {
            if keys.contains(&key) {
                return Err(A::Error::custom(format_args!("duplicate field `{key}`")));
            }
            keys.insert(key);
            map.next_value_seed(inside)?;
        }
        Ok(())
    }
}
