//! What a file of results has answers to, for a run that goes on from there.
//!
//! A line's job is known by its id, or, where no id could be read, by the line itself: its result has the hash of it beside
//! the line's number. Each answer stands for one line, so that two lines that are the same get two.
//!
//! An `internal_error` says that we failed and is no answer. It is taken out of the file, so that the job has one answer when
//! it has been run again.

use std::collections::HashMap;
use std::fs::{self, File, OpenOptions};
use std::io::{self, BufRead, BufReader, Read, Seek, SeekFrom, Write};
use std::ops::Range;
use std::path::Path;

use super::super::run_job::LOCAL_BODY_BYTES;
use crate::job::{self, Bounds};
use crate::sha256::Sha256;
use crate::verdict::Verdict;

/// Between a line's number and its hash.
const HASH: &str = ", sha256 ";

/// A line of the file of jobs, as its result will name it.
#[derive(Debug, Clone)]
pub(super) struct Line {
    job_id: Option<String>,
    /// In the place of a message's id.
    pub(super) name: String,
}

impl Line {
    pub(super) fn new(number: u64, body: &[u8]) -> Line {
        let job_id = job::id_of(body, &Bounds { body_bytes: LOCAL_BODY_BYTES });
        // The last line of a file may lack its end.
        let hash = if job_id.is_some() { String::new() } else { format!("{HASH}{}", Sha256::of(body.trim_ascii())) };
        Line { job_id, name: format!("line {number}{hash}") }
    }
}

#[derive(Debug, Default)]
pub(super) struct Answered {
    by_id: HashMap<String, usize>,
    by_hash: HashMap<String, usize>,
    pub(super) count: usize,
}

/// The part of a result by which it is known.
#[derive(serde::Deserialize)]
struct Known {
    job_id: Option<String>,
    message_id: Option<String>,
    verdict: Option<String>,
}

impl Answered {
    /// Reads the file, and takes out of it what is no answer: a last line that was cut off in the middle, and what says that
    /// we failed.
    pub(super) fn read(path: &Path) -> io::Result<Answered> {
        let mut answered = Answered::default();
        let file = match OpenOptions::new().read(true).write(true).open(path) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(answered),
            Err(error) => return Err(error),
        };
        let mut kept: Vec<Range<u64>> = Vec::new();
        let mut end = 0;
        let mut line = Vec::new();
        let mut reader = BufReader::new(file);
        while reader.read_until(b'\n', &mut line)? > 0 && line.ends_with(b"\n") {
            let start = end;
            end += line.len() as u64;
            if answered.take(&line) {
                match kept.last_mut() {
                    Some(last) if last.end == start => last.end = end,
                    _ => kept.push(start..end),
                }
            }
            line.clear();
        }
        match kept[..] {
            [] => reader.into_inner().set_len(0)?,
            [Range { start: 0, end }] => reader.into_inner().set_len(end)?,
            _ => keep(reader.into_inner(), &kept, path)?,
        }
        Ok(answered)
    }

    /// Whether a line of results stays; and if it is an answer, notes whose.
    fn take(&mut self, line: &[u8]) -> bool {
        let Ok(Known { job_id, message_id, verdict }) = serde_json::from_slice(line) else { return true };
        if verdict.as_deref() == Some(Verdict::InternalError.as_str()) {
            return false;
        }
        self.count += 1;
        let hash = message_id.as_deref().and_then(|name| name.split_once(HASH)).map(|(_, hash)| hash.to_owned());
        // A pointer to S3 has no id to be read, and its result has one.
        match (hash, job_id) {
            (Some(hash), _) => *self.by_hash.entry(hash).or_default() += 1,
            (None, Some(id)) => *self.by_id.entry(id).or_default() += 1,
            (None, None) => {}
        }
        true
    }

    /// Whether there is an answer to a line. It stands for no other line from then on.
    pub(super) fn takes(&mut self, line: &Line) -> bool {
        let count = match (&line.job_id, line.name.split_once(HASH)) {
            (Some(id), _) => self.by_id.get_mut(id),
            (None, Some((_, hash))) => self.by_hash.get_mut(hash),
            (None, None) => None,
        };
        let Some(count) = count.filter(|count| **count > 0) else { return false };
        *count -= 1;
        true
    }
}

/// Makes another file of some parts of one, and puts it in its place when it is whole.
fn keep(mut file: File, parts: &[Range<u64>], path: &Path) -> io::Result<()> {
    // What a link points to is replaced, not the link.
    let path = fs::canonicalize(path)?;
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(".resumed");
    let beside = path.with_file_name(name);
    let mut new = File::create(&beside)?;
    for part in parts {
        file.seek(SeekFrom::Start(part.start))?;
        io::copy(&mut (&mut file).take(part.end - part.start), &mut new)?;
    }
    new.set_permissions(file.metadata()?.permissions())?;
    new.flush()?;
    new.sync_all()?;
    fs::rename(&beside, &path)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What stays of a file of results, and what it has answers to.
    fn read(content: &str) -> (String, Answered) {
        let folder = tempfile::tempdir().expect("a folder can be made");
        let path = folder.path().join("out.jsonl");
        fs::write(&path, content).expect("it can be written");
        let answered = Answered::read(&path).expect("it can be read");
        assert_eq!(fs::read_dir(folder.path()).expect("it is there").count(), 1, "nothing lies beside it");
        (fs::read_to_string(&path).expect("it is there"), answered)
    }

    fn job(id: &str) -> Line {
        Line::new(1, format!(r#"{{"id":"{id}"}}"#).as_bytes())
    }

    #[test]
    fn failures_and_a_torn_end_are_taken_out_wherever_they_are() {
        let good = |id: &str| format!("{{\"job_id\":\"{id}\",\"verdict\":\"accepted\"}}\n");
        let bad = |id: &str| format!("{{\"verdict\":\"internal_error\",\"job_id\":\"{id}\"}}\n");
        let (a, b, c, d) = (good("a"), good("b"), bad("c"), bad("a"));
        for (content, kept, counted) in [
            (String::new(), String::new(), 0),
            (format!("{a}{b}"), format!("{a}{b}"), 2),
            (format!("{a}{b}{}", &a[..a.len() - 1]), format!("{a}{b}"), 2),
            (format!("{a}{c}{b}"), format!("{a}{b}"), 2),
            (format!("{c}{a}{d}{b}{c}"), format!("{a}{b}"), 2),
            (format!("{c}{d}{c}"), String::new(), 0),
            (format!("{a}{b}{c}"), format!("{a}{b}"), 2),
            (format!("{c}{a}{{\"job"), a.clone(), 1),
            ("{\"job_id\"".to_owned(), String::new(), 0),
            // What isn't ours stays, and is no answer.
            (format!("\n# note\n{a}\0\0\n7\n{c}"), format!("\n# note\n{a}\0\0\n7\n"), 1),
        ] {
            let (left, mut answered) = read(&content);
            assert_eq!((left.as_str(), answered.count), (kept.as_str(), counted), "{content:?}");
            assert_eq!(answered.takes(&job("a")), kept.contains(&a), "{content:?}");
            assert!(!answered.takes(&job("a")), "one answer is for one line");
            assert_eq!(answered.takes(&job("b")), kept.contains(&b), "{content:?}");
            assert!(!answered.takes(&job("c")), "{content:?}");
        }
        assert_eq!(Answered::read(Path::new("/nonexistent/out")).expect("it begins empty").count, 0);
    }

    #[test]
    fn a_link_to_the_results_stays_a_link_and_so_do_their_permissions() {
        use std::os::unix::fs::PermissionsExt;
        let folder = tempfile::tempdir().expect("a folder can be made");
        let (file, link) = (folder.path().join("file"), folder.path().join("link"));
        fs::write(&file, "{\"verdict\":\"internal_error\"}\n{\"job_id\":\"a\"}\n").expect("it can be written");
        fs::set_permissions(&file, fs::Permissions::from_mode(0o600)).expect("they can be set");
        std::os::unix::fs::symlink("file", &link).expect("it can be made");
        assert_eq!(Answered::read(&link).expect("it can be read").count, 1);
        assert!(fs::symlink_metadata(&link).expect("it is there").is_symlink());
        assert_eq!(fs::read_to_string(&file).expect("it is there"), "{\"job_id\":\"a\"}\n");
        assert_eq!(fs::metadata(&file).expect("it is there").permissions().mode() & 0o777, 0o600);
    }

    #[test]
    fn a_line_is_known_by_its_id_or_by_its_own_bytes() {
        let unread = |number| Line::new(number, b"not json\n");
        let result = |line: &Line| format!("{}\n", serde_json::json!({ "job_id": null, "message_id": line.name }));
        let (_, mut answered) = read(&result(&unread(7)));
        assert!(answered.takes(&unread(3)) && !answered.takes(&unread(7)));
        let (_, mut answered) = read(&[result(&unread(1)), result(&unread(2))].concat());
        assert!(!answered.takes(&Line::new(1, b"not JSON\n")) && Line::new(1, b"not json").name == unread(1).name);
        assert!(answered.takes(&unread(1)) && answered.takes(&unread(2)) && !answered.takes(&unread(3)));
        // A good job and a bad one have ids, an envelope's isn't a job's.
        assert_eq!(job("a").name, "line 1");
        assert!(
            Line::new(1, br#"{"id":"e","source":"s","detail-type":"t","detail":{}}"#)
                .name
                .starts_with("line 1, sha256 ")
        );
    }
}
