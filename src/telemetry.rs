//! The process's own log, on stderr: text on a terminal, JSON in service. And what is said of each job: the span that
//! all its lines stand in, and the one line that tells its whole story.
//!
//! A command that somebody waits for writes by itself, and waits for whoever reads. A worker goes on whether or not anybody does:
//! what it says is written [`in_background`].

mod background;

use std::backtrace::{Backtrace, BacktraceStatus};
use std::io::{IsTerminal, Write};
use std::panic::PanicHookInfo;
use std::sync::OnceLock;
use std::time::Duration;

use tracing::Span;
use tracing::field::Empty;
use tracing_subscriber::EnvFilter;
use tracing_subscriber::field::MakeExt;
use tracing_subscriber::fmt::format::debug_fn;

use crate::config::{LogConfig, LogFormat};
use crate::job::Environment;
use crate::metrics;
use crate::printable::{JsonLines, escaped};
use crate::report::Report;
use crate::trace::Trace;
use background::Background;

/// How long the end of a process waits for what it has said to be written. Whoever reads at all takes it in a moment.
const LAST_LINES: Duration = Duration::from_secs(1);

static BACKGROUND: OnceLock<Background> = OnceLock::new();

/// From now on stderr is written by a thread of its own, and nobody waits for whoever reads it. Whoever ends the process after
/// this calls [`flush`].
///
/// # Errors
/// When the thread can't be started.
pub fn in_background() -> std::io::Result<()> {
    let tell_lost = |lines| tracing::warn!(lines, "lines of this log were lost: nobody took them in time");
    let background = Background::start(std::io::stderr(), tell_lost)?;
    // A second call, as tests might make, finds the first one's thread and leaves it.
    let _ = BACKGROUND.set(background);
    Ok(())
}

/// Says something on stderr that is no part of the log: what a command ended of.
pub fn say(text: &str) {
    match BACKGROUND.get() {
        Some(background) => background.push(format!("{text}\n").as_bytes()),
        None => eprintln!("{text}"),
    }
}

/// Waits until all that was said is written, but no longer than a second. Nothing is to be said after it.
pub fn flush() {
    if let Some(background) = BACKGROUND.get() {
        background.flush(LAST_LINES);
    }
}

/// Calls [`flush`] when it is dropped, so that a panic's way out does it as well.
#[derive(Debug)]
pub struct FlushAtEnd;

impl Drop for FlushAtEnd {
    fn drop(&mut self) {
        flush();
    }
}

/// Starts logging. `level` stands in for the configured one where a command wants to be quieter by default.
pub fn start(config: &LogConfig, level: Option<&str>) {
    let filter = EnvFilter::try_new(level.unwrap_or(&config.level)).unwrap_or_else(|_| EnvFilter::new("info"));
    let json = match config.format {
        LogFormat::Json => true,
        LogFormat::Text => false,
        LogFormat::Auto => !std::io::stderr().is_terminal(),
    };
    let background = BACKGROUND.get();
    if background.is_some() {
        std::panic::set_hook(Box::new(panicked));
    }
    let writer = move || -> Box<dyn Write> {
        match background {
            Some(background) => Box::new(background.clone()),
            None => Box::new(std::io::stderr()),
        }
    };
    let builder = tracing_subscriber::fmt().with_env_filter(filter).with_target(false);
    // It would say on stderr that stderr takes nothing, and panic when that fails as well.
    let builder = builder.log_internal_errors(false);
    // A second call, as tests make, finds the first one's log and leaves it.
    let _ = if json {
        let writer = move || JsonLines(writer());
        builder.json().flatten_event(true).with_current_span(true).with_span_list(false).with_writer(writer).try_init()
    } else {
        let is_terminal = std::io::stderr().is_terminal();
        builder.with_ansi(is_terminal).fmt_fields(fields()).with_writer(writer).try_init()
    };
}

/// A panic is a line of the log: the standard library's own words would go past it, and wait.
fn panicked(panic: &PanicHookInfo<'_>) {
    let error = panic.payload_as_str().unwrap_or("it has no words");
    let at = panic.location().map(tracing::field::display);
    let backtrace = Some(Backtrace::capture()).filter(|it| it.status() == BacktraceStatus::Captured);
    tracing::error!(error, at, backtrace = backtrace.map(tracing::field::display), "a thread panicked");
}

/// Fields as text. What isn't printable is written as escapes, whoever it comes from: a line feed would begin a line that looks
/// like one of ours, and a terminal would obey the rest. [`JsonLines`] does the same for JSON.
fn fields() -> impl for<'writer> tracing_subscriber::fmt::FormatFields<'writer> + Send + Sync + 'static {
    debug_fn(|writer, field, value| {
        let text = escaped(&format!("{value:?}"));
        match field.name() {
            "message" => write!(writer, "{text}"),
            name => write!(writer, "{name}={text}"),
        }
    })
    .delimited(" ")
}

/// The span of a delivery, in which everything that is said about its job is said. Its level is the highest there is, so
/// that it is there at whatever level the log is.
pub fn job_span(worker: &str, message_id: &str, attempt: u64, trace: &Trace) -> Span {
    tracing::error_span!(
        "job",
        worker.id = worker,
        message.id = message_id,
        attempt,
        trace.id = trace.id(),
        span.parent = trace.parent_span(),
        job.id = Empty,
        job.language = Empty,
        job.image = Empty,
    )
}

/// Says in the current span whose job it is, as soon as that is known.
pub fn job_is(id: Option<&str>, environment: Option<&Environment>) {
    let span = Span::current();
    span.record("job.id", id);
    match environment {
        Some(Environment::Language(language)) => span.record("job.language", language),
        Some(Environment::Image(image)) => span.record("job.image", image),
        None => &span,
    };
}

/// The one line of a job that was answered, and its part in the metrics.
pub fn answered(report: &Report) {
    metrics::answered(report);
    let timeline = &report.timeline;
    tracing::info!(
        verdict = %report.verdict,
        reason = report.reason.map(|reason| reason.as_str()),
        execution.id = report.execution_id,
        attempt = report.attempt,
        redelivered = report.redelivered,
        queue_ms = timeline.queue_ms,
        prepare_ms = timeline.prepare_ms,
        compile_ms = timeline.compile_ms,
        run_ms = timeline.run_ms,
        "answered"
    );
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use super::*;
    use crate::printable::is_printable;

    #[derive(Clone, Default)]
    struct Sink(Arc<Mutex<Vec<u8>>>);

    impl Write for Sink {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            self.0.lock().expect("nobody panics with it").write(bytes)
        }

        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }

    const HOSTILE: &str = "a\n2026-01-01T00:00:00Z  INFO forged\r\u{1b}[2J\u{7}\u{85}\u{2028}\u{9b}b\0";

    /// What a log says of a failure and a job that are all hostile text.
    fn said(json: bool) -> String {
        let sink = Sink::default();
        let writer = {
            let sink = sink.clone();
            move || sink.clone()
        };
        let builder = tracing_subscriber::fmt().with_target(false).with_ansi(false);
        let say = || {
            let span = job_span(HOSTILE, HOSTILE, 1, &Trace::default());
            let _entered = span.enter();
            job_is(Some(HOSTILE), Some(&Environment::Language(HOSTILE.to_owned())));
            tracing::warn!(error = %HOSTILE, shown = ?HOSTILE, plain = HOSTILE, "{HOSTILE}");
        };
        if json {
            let log = builder.json().flatten_event(true).with_current_span(true).with_span_list(false);
            tracing::subscriber::with_default(log.with_writer(move || JsonLines(writer())).finish(), say);
        } else {
            tracing::subscriber::with_default(builder.fmt_fields(fields()).with_writer(writer).finish(), say);
        }
        let bytes = sink.0.lock().expect("nobody panics with it").clone();
        String::from_utf8(bytes).expect("a log is UTF-8")
    }

    #[test]
    fn hostile_text_stays_in_its_line_of_text_without_a_control_character() {
        let text = said(false);
        let line = text.strip_suffix('\n').expect("a line");
        assert!(!line.contains(|it: char| it.is_control() || it == '\u{2028}'), "{line:?}");
        assert!(line.contains("job.id=") && line.contains("error=a\\n2026"), "{line}");
    }

    #[test]
    fn hostile_text_stays_in_its_line_of_json_and_is_what_it_was() {
        let text = said(true);
        let line = text.strip_suffix('\n').expect("a line");
        assert!(line.chars().all(is_printable), "{line:?}");
        let line: serde_json::Value = serde_json::from_str(&text).expect("a line is JSON");
        assert_eq!(
            (&line["message"], &line["error"], &line["plain"]),
            (&HOSTILE.into(), &HOSTILE.into(), &HOSTILE.into())
        );
        assert_eq!((&line["span"]["job.id"], &line["span"]["message.id"]), (&HOSTILE.into(), &HOSTILE.into()));
        assert_eq!(line["level"], "WARN");
    }
}
