//! What a program is started with: commands, arguments and environment.

use std::collections::BTreeMap;

use super::explain::shown;
use super::shape::Capped;
use super::{Checked, MAX_TEXT_BYTES, Test, environment, refuse};

/// A command: a program and its arguments.
pub(super) fn command<const MAX: usize>(
    field: &str,
    entries: Option<Capped<String, MAX>>,
) -> Checked<Option<Vec<String>>> {
    let entries = arguments(field, entries)?;
    match entries.as_deref() {
        Some([]) => refuse(field, "must not be empty"),
        Some([program, ..]) if program.is_empty() => refuse(format!("{field}[0]"), "must not be empty"),
        _ => Ok(entries),
    }
}

pub(super) fn arguments<const MAX: usize>(
    field: &str,
    entries: Option<Capped<String, MAX>>,
) -> Checked<Option<Vec<String>>> {
    let Some(Capped(entries)) = entries else { return Ok(None) };
    match entries.iter().position(|entry| entry.contains('\0')) {
        Some(index) => refuse(format!("{field}[{index}]"), "must not have a NUL character"),
        None => Ok(Some(entries)),
    }
}

pub(super) fn variables(variables: BTreeMap<String, String>) -> Checked<BTreeMap<String, String>> {
    for (name, value) in &variables {
        let field = || format!("env.{}", shown(name));
        environment::check_name(name).or_else(|reason| refuse(field(), reason))?;
        if value.contains('\0') {
            return refuse(field(), "must not have a NUL character");
        }
    }
    Ok(variables)
}

/// Bounds what one `exec` is given: the job's commands and variables, with the arguments of whichever test has most.
pub(super) fn bound_text(
    compile: &Option<Vec<String>>,
    run: &Option<Vec<String>>,
    args: &[String],
    env: &BTreeMap<String, String>,
    tests: &[Test],
) -> Checked<()> {
    let size = |entries: &[String]| entries.iter().map(|entry| entry.len() + 1).sum::<usize>();
    let variables: usize = env.iter().map(|(name, value)| name.len() + value.len() + 2).sum();
    let commands = [compile, run].into_iter().flatten().map(|entries| size(entries)).sum::<usize>() + variables;
    let check = |field: String, arguments: &[String]| match commands + size(arguments) {
        0..=MAX_TEXT_BYTES => Ok(()),
        bytes => {
            refuse(field, format!("is too long: {bytes} bytes with the commands and env, {MAX_TEXT_BYTES} are allowed"))
        }
    };
    check("args".to_owned(), args)?;
    for (index, test) in tests.iter().enumerate() {
        check(format!("tests[{index}].args"), test.args.as_deref().unwrap_or_default())?;
    }
    Ok(())
}
