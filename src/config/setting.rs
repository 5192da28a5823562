//! One row of the table of settings: its names, its kind, its default, and how it gets into [`Config`] and out of it.

use std::borrow::Cow;

use super::{Config, Origin};
use crate::limits::{LimitField, Limits, LimitsPolicy};
use crate::strict_toml::{Kind, Value};

/// One setting.
#[derive(Debug)]
pub struct Setting {
    /// The table of the file it stands in; empty for the top.
    pub table: &'static str,
    pub name: &'static str,
    pub kind: Kind,
    pub fallback: Fallback,
    /// A paragraph: what it does, and why the default is what it is.
    pub doc: Cow<'static, str>,
    pub(super) access: Access,
}

/// What holds when nobody sets it.
#[derive(Debug)]
pub enum Fallback {
    Value(Value),
    /// Decided where it is used; in words that complete "the default is …".
    Words(&'static str),
}

/// The way to a setting's field.
#[derive(Debug)]
pub(super) enum Access {
    Field { get: fn(&Config) -> Option<Value>, set: fn(&mut Config, Value) },
    Limit { table: LimitTable, field: &'static LimitField },
}

/// The three tables that hold one value for each limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum LimitTable {
    Run,
    Compile,
    Maximum,
}

impl LimitTable {
    pub(super) const ALL: [LimitTable; 3] = [LimitTable::Run, LimitTable::Compile, LimitTable::Maximum];

    /// The table's name in the file.
    pub(super) fn name(self) -> &'static str {
        match self {
            LimitTable::Run => "limits",
            LimitTable::Compile => "compile_limits",
            LimitTable::Maximum => "maximum",
        }
    }

    pub(super) fn of(self, policy: &LimitsPolicy) -> &Limits {
        match self {
            LimitTable::Run => &policy.run,
            LimitTable::Compile => &policy.compile,
            LimitTable::Maximum => &policy.maximum,
        }
    }

    pub(super) fn of_mut(self, policy: &mut LimitsPolicy) -> &mut Limits {
        match self {
            LimitTable::Run => &mut policy.run,
            LimitTable::Compile => &mut policy.compile,
            LimitTable::Maximum => &mut policy.maximum,
        }
    }
}

impl Setting {
    /// The name with its table: `queue.wait_time_s`.
    pub fn key(&self) -> String {
        match self.table {
            "" => self.name.to_owned(),
            table => format!("{table}.{}", self.name),
        }
    }

    /// The environment variable that overrides the file: `CAISSON_QUEUE_WAIT_TIME_S`.
    pub fn variable(&self) -> String {
        format!("CAISSON_{}", self.key().replace('.', "_").to_ascii_uppercase())
    }

    /// Whether it is a row of one of the three tables of limits.
    pub fn is_limit(&self) -> bool {
        matches!(self.access, Access::Limit { .. })
    }

    /// The value in a configuration; `None` when it is not set and has no default of its own.
    pub fn get(&self, config: &Config) -> Option<Value> {
        match &self.access {
            Access::Field { get, .. } => get(config),
            Access::Limit { table, field } => Some(Value::Integer((field.get)(table.of(&config.limits)))),
        }
    }

    /// Takes over a value that has passed the kind's check.
    pub(super) fn set(&self, config: &mut Config, value: Value) {
        match (&self.access, value) {
            (Access::Field { set, .. }, value) => set(config, value),
            (Access::Limit { table, field }, Value::Integer(value)) => {
                (field.set)(table.of_mut(&mut config.limits), value);
            }
            (Access::Limit { .. }, _) => {}
        }
    }

    /// Takes over a value and remembers who said so.
    pub(super) fn set_from(&self, config: &mut Config, value: Value, origin: Origin) {
        self.set(config, value);
        config.origins.insert(self.key(), origin);
    }

    /// The default in words or as TOML.
    pub fn default_words(&self) -> String {
        match &self.fallback {
            Fallback::Value(value) => value.to_string(),
            Fallback::Words(words) => (*words).to_owned(),
        }
    }
}
