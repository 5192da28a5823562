//! `caisson dlq list`: one line a message.

use std::process::ExitCode;

use serde_json::json;
use tokio_util::sync::CancellationToken;

use super::contents::{Contents, is_copy, original, printable, reason};
use super::walk::Walk;
use crate::cli::dlq::ListArgs;
use crate::command::{INTERRUPTED, failed, print};
use crate::queue::Sqs;
use crate::queue::letter::Letter;

/// What is kept of a message: not its body, so that thousands fit.
pub(super) struct Row {
    message_id: String,
    contents: Contents,
    receives: u64,
    age_s: Option<i64>,
    bytes: usize,
    reason: Option<String>,
    copy_of: Option<String>,
}

const HEAD: [&str; 7] = ["MESSAGE ID", "JOB", "LANGUAGE", "RECEIVED", "AGE", "BYTES", "REASON"];

/// Letters of a job's id and of a reason that are shown; `show` has all of them.
const JOB_LETTERS: usize = 40;
const REASON_LETTERS: usize = 80;

pub(super) async fn run(queue: &Sqs, args: &ListArgs, stop: &CancellationToken) -> ExitCode {
    let most = usize::try_from(args.limit).unwrap_or(usize::MAX);
    let mut walk = match Walk::new(queue.clone()).await {
        Ok(walk) => walk,
        Err(error) => return failed(&error),
    };
    let mut rows = Vec::new();
    let mut is_whole = false;
    let problem = loop {
        if stop.is_cancelled() || rows.len() >= most {
            break None;
        }
        match walk.next().await {
            Ok((letters, _)) if letters.is_empty() => {
                is_whole = true;
                break None;
            }
            Ok((letters, _)) => rows.extend(letters.iter().map(Row::of).take(most - rows.len())),
            Err(error) => break Some(error),
        }
    };
    walk.give_back().await;
    print(&if args.json { rows.iter().map(Row::json).collect() } else { table(&rows) });
    if let Some(error) = problem {
        return failed(&error);
    }
    let more = if is_whole { "" } else { "; there may be more" };
    eprintln!("{} messages in {}{more}", rows.len(), queue.url());
    if stop.is_cancelled() { INTERRUPTED.into() } else { ExitCode::SUCCESS }
}

impl Row {
    pub(super) fn of(letter: &Letter) -> Row {
        let now = jiff::Timestamp::now().as_second();
        Row {
            message_id: letter.id.clone(),
            contents: Contents::of(letter),
            receives: letter.receive_count,
            // Two clocks: what is from the future is new.
            age_s: letter.sent.map(|sent| (now - sent.as_second()).max(0)),
            bytes: letter.bytes(),
            reason: reason(letter).map(str::to_owned),
            copy_of: original(letter).filter(|_| is_copy(letter)).map(str::to_owned),
        }
    }

    fn json(&self) -> String {
        let row = json!({
            "message_id": self.message_id,
            "job_id": self.contents.job_id,
            "language": self.contents.language,
            "s3_pointer": self.contents.pointer,
            "receive_count": self.receives,
            "age_s": self.age_s,
            "bytes": self.bytes,
            "reason": self.reason,
            "copy_of": self.copy_of,
        });
        format!("{row}\n")
    }

    fn cells(&self) -> [String; 7] {
        let or_none = |text: Option<&String>, letters| match text {
            Some(text) => printable(text, letters),
            None => "-".to_owned(),
        };
        [
            self.message_id.clone(),
            or_none(self.contents.job_id.as_ref().or(self.contents.pointer.as_ref()), JOB_LETTERS),
            or_none(self.contents.language.as_ref(), JOB_LETTERS),
            self.receives.to_string(),
            self.age_s.map_or_else(|| "-".to_owned(), age),
            self.bytes.to_string(),
            or_none(self.reason.as_ref(), REASON_LETTERS),
        ]
    }
}

/// The largest unit and the next one, as `3d 4h`.
fn age(seconds: i64) -> String {
    let units = [(86_400, "d"), (3_600, "h"), (60, "m"), (1, "s")];
    let first = units.iter().position(|(length, _)| seconds >= *length).unwrap_or(units.len() - 1);
    let (length, name) = units[first];
    match units.get(first + 1) {
        Some((next, next_name)) => format!("{}{name} {}{next_name}", seconds / length, seconds % length / next),
        None => format!("{}{name}", seconds / length),
    }
}

fn table(rows: &[Row]) -> String {
    if rows.is_empty() {
        return String::new();
    }
    let lines: Vec<[String; 7]> = std::iter::once(HEAD.map(str::to_owned)).chain(rows.iter().map(Row::cells)).collect();
    let widths: [usize; 7] =
        std::array::from_fn(|column| lines.iter().map(|line| line[column].chars().count()).max().unwrap_or(0));
    let line = |cells: &[String; 7]| {
        let padded = cells.iter().zip(widths).map(|(cell, width)| format!("{cell:width$}"));
        format!("{}\n", padded.collect::<Vec<_>>().join("  ").trim_end())
    };
    lines.iter().map(line).collect()
}

#[cfg(test)]
mod tests {
    use super::super::contents::tests::letter;
    use super::*;

    #[test]
    fn a_row_says_what_is_known_and_no_more() {
        let rows = [
            Row::of(&letter(r#"{"id":"job-1","language":"c"}"#)),
            Row { age_s: Some(90_061), reason: Some("a\nb".to_owned()), ..Row::of(&letter("{")) },
        ];
        assert_eq!(
            table(&rows),
            "MESSAGE ID  JOB    LANGUAGE  RECEIVED  AGE    BYTES  REASON\n\
             m           job-1  c         1         -      29     -\n\
             m           -      -         1         1d 1h  1      a\\nb\n"
        );
        assert_eq!(table(&[]), "");
        let json: serde_json::Value = serde_json::from_str(&rows[1].json()).expect("a line is JSON");
        assert_eq!((&json["job_id"], &json["reason"]), (&serde_json::Value::Null, &json!("a\nb")));
    }

    #[test]
    fn ages_have_two_units() {
        assert_eq!([0, 59, 61, 3_600, 200_000].map(age), ["0s", "59s", "1m 1s", "1h 0m", "2d 7h"]);
    }
}
