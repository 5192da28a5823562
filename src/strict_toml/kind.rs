//! What a setting can hold: one description from which reading, checking, messages and schemas follow.

use std::collections::BTreeMap;

use serde_json::json;
use toml::Spanned;
use toml::de::DeValue;

/// The type of a setting and the range of its values, both ends included.
#[derive(Debug, Clone, Copy)]
pub enum Kind {
    Bool,
    Integer { least: u64, most: u64 },
    Text(TextRule),
    Choice(&'static [&'static str]),
    List { rule: TextRule, least: usize },
    Map { names: TextRule, values: TextRule },
}

/// Which texts are allowed, in words and as a test. No text holds a NUL, whatever its rule.
#[derive(Debug, Clone, Copy)]
pub struct TextRule {
    /// Completes "allowed is …".
    pub allowed: &'static str,
    pub holds: fn(&str) -> bool,
}

/// A text of one line that is not empty.
pub const LINE: TextRule = TextRule {
    allowed: "a line of text that is not empty",
    holds: |text| !text.is_empty() && !text.contains(char::is_control),
};

impl TextRule {
    fn check(&self, text: &str) -> Result<(), String> {
        match (self.holds)(text) && !text.contains('\0') {
            true => Ok(()),
            false => Err(format!("{text:?} does not fit; allowed is {}", self.allowed)),
        }
    }
}

/// A value that has passed its kind's check.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Value {
    Bool(bool),
    Integer(u64),
    Text(String),
    List(Vec<String>),
    Map(BTreeMap<String, String>),
}

/// What is wrong with a value, each with the byte where it stands.
type Problems = Vec<(usize, String)>;

impl Kind {
    /// Completes "allowed is …".
    pub fn allowed(&self) -> String {
        match self {
            Kind::Bool => "true or false".to_owned(),
            Kind::Integer { least, most } => format!("a whole number from {least} to {most}"),
            Kind::Text(rule) => rule.allowed.to_owned(),
            Kind::Choice(words) => format!("one of {}", words.join(", ")),
            Kind::List { rule, least: 0 } => format!("a list, each element {}", rule.allowed),
            Kind::List { rule, least } => format!("a list of at least {least}, each element {}", rule.allowed),
            Kind::Map { names, values } => {
                format!("a table, each name {}, each value {}", names.allowed, values.allowed)
            }
        }
    }

    /// Reads a TOML value.
    ///
    /// # Errors
    /// All that is wrong with it: the wrong type, or each element that doesn't fit.
    pub(crate) fn read(&self, value: &Spanned<DeValue<'_>>) -> Result<Value, Problems> {
        let at = value.span().start;
        let here = |problem: String| vec![(at, problem)];
        match (self, value.get_ref()) {
            (Kind::Bool, DeValue::Boolean(value)) => Ok(Value::Bool(*value)),
            (Kind::Integer { .. }, DeValue::Integer(number)) => {
                // The parser has dropped the underscores; what is left that doesn't parse is negative or beyond 64 bits.
                let number = i128::from_str_radix(number.as_str(), number.radix()).unwrap_or(i128::MAX);
                self.integer(number).map_err(here)
            }
            (Kind::Text(_) | Kind::Choice(_), DeValue::String(text)) => self.text(text).map_err(here),
            (Kind::List { rule, .. }, DeValue::Array(elements)) => {
                let mut problems = Vec::new();
                let mut list = Vec::new();
                for element in elements.iter() {
                    match element.get_ref().as_str() {
                        None => problems.push((element.span().start, wrong_type(element.get_ref(), rule.allowed))),
                        Some(text) => match rule.check(text) {
                            Err(problem) => problems.push((element.span().start, problem)),
                            Ok(()) => list.push(text.to_owned()),
                        },
                    }
                }
                if !problems.is_empty() {
                    return Err(problems);
                }
                self.list(list).map_err(here)
            }
            (Kind::Map { names, values }, DeValue::Table(table)) => {
                let mut problems = Vec::new();
                let mut map = BTreeMap::new();
                for (name, value) in table {
                    if let Err(problem) = names.check(name.get_ref()) {
                        problems.push((name.span().start, problem));
                    }
                    match value.get_ref().as_str().map(|text| (text, values.check(text))) {
                        None => problems.push((value.span().start, wrong_type(value.get_ref(), values.allowed))),
                        Some((_, Err(problem))) => problems.push((value.span().start, problem)),
                        Some((text, Ok(()))) => drop(map.insert(name.get_ref().to_string(), text.to_owned())),
                    }
                }
                if problems.is_empty() { Ok(Value::Map(map)) } else { Err(problems) }
            }
            (_, other) => Err(here(wrong_type(other, &self.allowed()))),
        }
    }

    /// Reads a value from an environment variable; a list's elements are separated by commas.
    ///
    /// # Errors
    /// What is wrong with it, as a fragment.
    pub(crate) fn read_text(&self, text: &str) -> Result<Value, String> {
        match self {
            Kind::Bool => match text {
                "true" => Ok(Value::Bool(true)),
                "false" => Ok(Value::Bool(false)),
                _ => Err(format!("{text:?} does not fit; allowed is {}", self.allowed())),
            },
            Kind::Integer { .. } => match text.parse() {
                Ok(number) => self.integer(number),
                Err(_) => Err(format!("{text:?} does not fit; allowed is {}", self.allowed())),
            },
            Kind::Text(_) | Kind::Choice(_) => self.text(text),
            Kind::List { rule, .. } => {
                let list: Vec<String> = text.split(',').map(|element| element.trim().to_owned()).collect();
                list.iter().try_for_each(|element| rule.check(element))?;
                self.list(list)
            }
            Kind::Map { .. } => Err("cannot be given by a variable".to_owned()),
        }
    }

    fn integer(&self, number: i128) -> Result<Value, String> {
        let Kind::Integer { least, most } = self else { return Err(format!("allowed is {}", self.allowed())) };
        match u64::try_from(number) {
            Ok(number) if (*least..=*most).contains(&number) => Ok(Value::Integer(number)),
            _ if number == i128::MAX => Err(format!("is too large; allowed is {}", self.allowed())),
            _ => Err(format!("{number} is out of range; allowed is {}", self.allowed())),
        }
    }

    fn text(&self, text: &str) -> Result<Value, String> {
        match self {
            Kind::Choice(words) if !words.contains(&text) => {
                Err(format!("{text:?} is unknown; allowed is {}", self.allowed()))
            }
            Kind::Text(rule) => rule.check(text).map(|()| Value::Text(text.to_owned())),
            _ => Ok(Value::Text(text.to_owned())),
        }
    }

    fn list(&self, list: Vec<String>) -> Result<Value, String> {
        match self {
            Kind::List { least, .. } if list.len() < *least => {
                Err(format!("has {} elements; allowed is {}", list.len(), self.allowed()))
            }
            _ => Ok(Value::List(list)),
        }
    }

    /// The kind as JSON Schema.
    pub(crate) fn schema(&self) -> serde_json::Value {
        match self {
            Kind::Bool => json!({"type": "boolean"}),
            Kind::Integer { least, most } => json!({"type": "integer", "minimum": least, "maximum": most}),
            Kind::Text(_) => json!({"type": "string"}),
            Kind::Choice(words) => json!({"enum": words}),
            Kind::List { least: 0, .. } => json!({"type": "array", "items": {"type": "string"}}),
            Kind::List { least, .. } => json!({"type": "array", "items": {"type": "string"}, "minItems": least}),
            Kind::Map { .. } => json!({"type": "object", "additionalProperties": {"type": "string"}}),
        }
    }
}

fn wrong_type(value: &DeValue<'_>, allowed: &str) -> String {
    let found = match value {
        DeValue::String(_) => "text",
        DeValue::Integer(_) => "a whole number",
        DeValue::Float(_) => "a number with a fraction",
        DeValue::Boolean(_) => "true or false",
        DeValue::Datetime(_) => "a date",
        DeValue::Array(_) => "a list",
        DeValue::Table(_) => "a table",
    };
    format!("is {found}; allowed is {allowed}")
}

/// As TOML.
impl std::fmt::Display for Value {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let quoted = |text: &String| toml::Value::String(text.clone()).to_string();
        match self {
            Value::Bool(value) => write!(formatter, "{value}"),
            Value::Integer(value) => write!(formatter, "{value}"),
            Value::Text(text) => formatter.write_str(&quoted(text)),
            Value::List(list) => write!(formatter, "[{}]", list.iter().map(quoted).collect::<Vec<_>>().join(", ")),
            Value::Map(map) => {
                let pairs: Vec<String> =
                    map.iter().map(|(name, value)| format!("{name} = {}", quoted(value))).collect();
                write!(formatter, "{{ {} }}", pairs.join(", "))
            }
        }
    }
}

/// A place in a struct that a [`Value`] of the right kind can be put into and read back from.
pub trait Field {
    /// `None` when the field is not set.
    fn value(&self) -> Option<Value>;
    /// Takes over `value`. One of another type changes nothing: a test holds every kind against its field.
    fn assign(&mut self, value: Value);
}

macro_rules! field {
    ($type:ty, $variant:ident) => {
        impl Field for $type {
            fn value(&self) -> Option<Value> {
                Some(Value::$variant(self.clone()))
            }
            fn assign(&mut self, value: Value) {
                if let Value::$variant(value) = value {
                    *self = value;
                }
            }
        }
    };
}
field!(bool, Bool);
field!(u64, Integer);
field!(String, Text);
field!(Vec<String>, List);
field!(BTreeMap<String, String>, Map);

macro_rules! narrow_integer {
    ($type:ty) => {
        impl Field for $type {
            fn value(&self) -> Option<Value> {
                u64::try_from(*self).ok().map(Value::Integer)
            }
            fn assign(&mut self, value: Value) {
                if let Value::Integer(value) = value
                    && let Ok(value) = value.try_into()
                {
                    *self = value;
                }
            }
        }
    };
}
narrow_integer!(u32);
narrow_integer!(usize);

impl<T: Field + Default> Field for Option<T> {
    fn value(&self) -> Option<Value> {
        self.as_ref().and_then(Field::value)
    }
    fn assign(&mut self, value: Value) {
        self.get_or_insert_default().assign(value);
    }
}
