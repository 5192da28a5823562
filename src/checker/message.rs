//! The checker as a message spells it: one object whose options depend on its `type`.
//!
//! serde's tagged enums would lose the path of a mistake inside, and could not say of a known type that this version lacks
//! it; so the object is read whole first, and then made sense of.

use std::fmt;

use serde::de::{Deserialize, Deserializer, Error, IgnoredAny, MapAccess, Visitor};

use super::Checker;
use crate::job::{Rejection, shown};

/// Every option of every type, present or not.
#[derive(Debug, Default)]
pub(crate) struct CheckerMessage {
    kind: Option<String>,
    case_sensitive: Option<bool>,
    space_sensitive: Option<bool>,
    abs: Option<f64>,
    rel: Option<f64>,
    /// The first field that no type has.
    unknown: Option<String>,
}

const TYPES: &str = "one of tokens, exact, lines, float";

impl CheckerMessage {
    /// # Errors
    /// A [`Rejection`] whose field is relative to the checker.
    pub(crate) fn into_checker(self) -> Result<Checker, Rejection> {
        let Some(kind) = self.kind.as_deref() else {
            return Err(Rejection::new("type", format!("is missing; it is {TYPES}")));
        };
        let allowed: &[&str] = match kind {
            "tokens" => &["case_sensitive", "space_sensitive"],
            "float" => &["abs", "rel", "case_sensitive"],
            "exact" | "lines" => &[],
            "custom" => return Err(Rejection::new("type", "custom is not supported by this version of Caisson")),
            _ => return Err(Rejection::new("type", format!("must be {TYPES}"))),
        };
        let given = [
            ("case_sensitive", self.case_sensitive.is_some()),
            ("space_sensitive", self.space_sensitive.is_some()),
            ("abs", self.abs.is_some()),
            ("rel", self.rel.is_some()),
        ];
        if let Some((name, _)) = given.iter().find(|(name, given)| *given && !allowed.contains(name)) {
            return Err(Rejection::new(*name, format!("is no option of the checker {kind}")));
        }
        if let Some(name) = self.unknown {
            let near = crate::strict_toml::did_you_mean(
                &name.chars().take(64).collect::<String>(),
                ["type"].iter().chain(allowed).copied(),
            );
            return Err(Rejection::new(shown(&name), format!("is not a known field{near}")));
        }
        let case_sensitive = self.case_sensitive.unwrap_or(true);
        Ok(match kind {
            "exact" => Checker::Exact,
            "lines" => Checker::Lines,
            "float" => {
                for (name, tolerance) in [("abs", self.abs), ("rel", self.rel)] {
                    if tolerance.is_some_and(|it| !it.is_finite() || it < 0.0) {
                        return Err(Rejection::new(name, "must not be negative"));
                    }
                }
                if self.abs.is_none() && self.rel.is_none() {
                    return Err(Rejection::new("abs", "is missing; the checker float needs abs or rel"));
                }
                Checker::Float { abs: self.abs, rel: self.rel, case_sensitive }
            }
            _ => Checker::Tokens { case_sensitive, space_sensitive: self.space_sensitive.unwrap_or(false) },
        })
    }
}

impl<'de> Deserialize<'de> for Checker {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        CheckerMessage::deserialize(deserializer)?.into_checker().map_err(D::Error::custom)
    }
}

impl<'de> Deserialize<'de> for CheckerMessage {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(CheckerVisitor)
    }
}

struct CheckerVisitor;

impl<'de> Visitor<'de> for CheckerVisitor {
    type Value = CheckerMessage;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<CheckerMessage, A::Error> {
        let mut message = CheckerMessage::default();
        let mut seen = [false; 5];
        while let Some(key) = map.next_key::<String>()? {
            let index = ["type", "case_sensitive", "space_sensitive", "abs", "rel"].iter().position(|it| *it == key);
            match index {
                Some(index) if std::mem::replace(&mut seen[index], true) => {
                    return Err(A::Error::custom(format_args!("duplicate field `{key}`")));
                }
                Some(0) => message.kind = Some(map.next_value()?),
                Some(1) => message.case_sensitive = map.next_value()?,
                Some(2) => message.space_sensitive = map.next_value()?,
                Some(3) => message.abs = map.next_value()?,
                Some(_) => message.rel = map.next_value()?,
                None => {
                    map.next_value::<IgnoredAny>()?;
                    message.unknown.get_or_insert(key);
                }
            }
        }
        Ok(message)
    }
}
