//! The name of a compile result: a hash of everything that has a say in it.
//!
//! Left out is what a compile step can see and what is no property of the job: the time, its uid, its CPU, its host's
//! name, random numbers. A compile step that looks at those is kept as it went. Its stdin is always empty.

use crate::limits::LIMIT_FIELDS;
use crate::plan::{Command, PlannedFile};
use crate::protocol::VERSION;
use crate::sha256::{Hasher, Sha256};

/// Two compile steps with the same key are the same step.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(in super::super) struct Key(Sha256);

/// What decides a compile step.
#[derive(Debug, Clone, Copy)]
pub(in super::super) struct Inputs<'a> {
    /// The engine's id of the image's content.
    pub(in super::super) image: &'a str,
    /// What confines it, with the agent that runs it.
    pub(in super::super) profile: &'a str,
    /// With its placeholders filled in.
    pub(in super::super) command: &'a Command,
    /// The workspace, in the order in which it is written: a folder shows its files by it.
    pub(in super::super) files: &'a [PlannedFile],
    /// How much of its streams the result shows.
    pub(in super::super) capture_bytes: u64,
}

impl Key {
    pub(in super::super) fn of(inputs: &Inputs<'_>) -> Key {
        let Inputs { image, profile, command, files, capture_bytes } = inputs;
        // How a runtime says that its heap ran out comes with the language: it changes what a result says, not what is kept.
        let Command { argv, env, limits, stack_bytes, exhaustion: _ } = command;
        let mut out = Encoder::default();
        out.text("caisson compile result");
        out.text(env!("CARGO_PKG_VERSION"));
        out.number(VERSION.into());
        out.text(image);
        out.text(profile);
        out.number(*capture_bytes);
        out.number(argv.len() as u64);
        argv.iter().for_each(|argument| out.text(argument));
        out.number(env.len() as u64);
        for (name, value) in env {
            out.text(name);
            out.text(value);
        }
        out.number(LIMIT_FIELDS.len() as u64);
        for field in &LIMIT_FIELDS {
            out.text(field.name);
            out.number((field.get)(limits));
        }
        out.number(*stack_bytes);
        out.number(files.len() as u64);
        for PlannedFile { path, content, executable } in *files {
            out.text(path);
            out.number((*executable).into());
            out.text(&Sha256::of(content).to_string());
        }
        Key(out.0.finish())
    }
}

/// Each part has its length before it and each list its count, so that no two inputs become the same bytes.
#[derive(Default)]
struct Encoder(Hasher);

impl Encoder {
    fn number(&mut self, number: u64) {
        self.0.push(&number.to_le_bytes());
    }

    fn text(&mut self, text: &str) {
        self.number(text.len() as u64);
        self.0.push(text.as_bytes());
    }
}
