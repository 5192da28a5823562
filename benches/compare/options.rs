//! What the run is to be like.

use std::path::PathBuf;

use crate::Fallible;

#[derive(Debug, Clone)]
pub(crate) struct Options {
    pub(crate) quick: bool,
    /// Of the latencies; everything else follows from it.
    pub(crate) rounds: usize,
    /// Where `result.json` goes.
    pub(crate) out: PathBuf,
    /// The folder of `performance.md`, when the page is to be written.
    pub(crate) docs: Option<PathBuf>,
    /// A folder that whoever started this removes afterwards.
    pub(crate) work: PathBuf,
    /// In the names of containers and images, so that whoever started this finds what is left of them.
    pub(crate) id: String,
    /// Only this is done: the page is written from an earlier `result.json`.
    pub(crate) render: bool,
    /// Only measurements whose names begin so, to try one.
    pub(crate) only: Option<String>,
}

const ROUNDS: usize = 50;
const QUICK_ROUNDS: usize = 5;

impl Options {
    pub(crate) fn read(arguments: impl Iterator<Item = String>) -> Fallible<Options> {
        let mut options = Options {
            quick: false,
            rounds: 0,
            out: PathBuf::from("target/bench/result.json"),
            docs: None,
            work: PathBuf::from("target/bench/work"),
            id: std::process::id().to_string(),
            render: false,
            only: None,
        };
        let mut arguments = arguments;
        while let Some(name) = arguments.next() {
            let mut value = || arguments.next().ok_or_else(|| format!("{name} takes a value"));
            match name.as_str() {
                "--quick" => options.quick = true,
                "--render" => options.render = true,
                "--rounds" => options.rounds = value()?.parse()?,
                "--out" => options.out = value()?.into(),
                "--docs" => options.docs = Some(value()?.into()),
                "--work" => options.work = value()?.into(),
                "--only" => options.only = Some(value()?),
                "--id" => options.id = value()?,
                _ => return Err(format!("no such option: {name}").into()),
            }
        }
        if options.rounds == 0 {
            options.rounds = if options.quick { QUICK_ROUNDS } else { ROUNDS };
        }
        Ok(options)
    }

    /// So many of something that a whole run has `whole` of, at least `least`.
    pub(crate) fn share_of(&self, whole: usize, least: usize) -> usize {
        (whole * self.rounds / ROUNDS).max(least)
    }
}
