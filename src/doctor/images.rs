//! The images of the languages: present, without what a sandbox can't allow, and without files that carry privilege.

use super::facts::Facts;
use super::finding::{Area, Check, Finding};

const fn check(id: &'static str, promise: &'static str) -> Check {
    Check::new(Area::Images, id, promise)
}

pub const PRESENT: Check = check("images.present", "the language's image is there");
pub const VOLUMES: Check = check("images.volumes", "the image declares no volumes");
pub const STARTS: Check = check("images.starts", "a sandbox of the image starts");
pub const PRIVILEGED: Check = check("images.privileged-files", "no file of the image carries privilege");

pub const CHECKS: [Check; 4] = [PRESENT, VOLUMES, STARTS, PRIVILEGED];

/// An image, as far as it could be looked at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ImageFacts {
    /// The language's name, or the reference's own for an image of `images.allow`.
    pub name: String,
    pub reference: String,
    pub found: Found,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Found {
    Missing,
    Volumes(Vec<String>),
    /// It is there; the sandbox of it could not be started, or its look around failed.
    Closed {
        digest: String,
        reason: String,
    },
    /// What the probe found in it.
    Open {
        digest: String,
        files: Facts,
    },
    /// The engine could not be asked.
    Unknown(String),
}

/// Digits of a digest that tell images apart for people.
const DIGEST: usize = "sha256:".len() + 12;
/// Files that are named in the table; all are counted.
const NAMED: usize = 5;

pub fn judge(facts: &ImageFacts) -> Vec<Finding> {
    let ImageFacts { name, reference, found } = facts;
    let present =
        |digest: &str| PRESENT.good(format!("{name}: {reference} {}", digest.get(..DIGEST).unwrap_or(digest)));
    match found {
        Found::Missing => {
            let cure = match reference.strip_prefix("caisson/") {
                Some(short) => format!("build it: just images {}", short.split(':').next().unwrap_or(short)),
                None => "pull or build it".to_owned(),
            };
            vec![PRESENT.warning(
                format!("{name}: no {reference}"),
                format!("jobs of this language are given back to the queue: {cure}, or leave the language out"),
            )]
        }
        Found::Volumes(volumes) => vec![VOLUMES.broken(
            format!("{name}: {}", volumes.join(", ")),
            "each would be writable without a bound, so no sandbox of it is made: build the image without VOLUME",
        )],
        Found::Unknown(reason) => {
            vec![PRESENT.broken(format!("{name}: {reason}"), "see why the engine can't answer that; nothing runs before")]
        }
        Found::Closed { digest, reason } => vec![
            present(digest),
            STARTS.broken(
                format!("{name}: {reason}"),
                "no job of this language can run: see the sandbox checks first, then whether the image is of this processor",
            ),
        ],
        Found::Open { digest, files } => vec![present(digest), STARTS.good(name), privileged(name, files)],
    }
}

fn privileged(name: &str, files: &Facts) -> Finding {
    let advice = "no-new-privileges makes them powerless in a sandbox, and no program of a job needs them: take the bits off \
                  when the image is built (RUN find / -xdev -perm /6000 -type f -exec chmod a-s {} +)";
    if let Some(bound) = files.one("files.incomplete") {
        return PRIVILEGED.note(format!("{name}: more than {bound} files, not all looked at"), advice);
    }
    let (Some(count), Some(found)) = (files.number("files.count"), files.number("files.found")) else {
        return PRIVILEGED.note(format!("{name}: the look around told nothing"), advice);
    };
    if found == 0 {
        return PRIVILEGED.good(format!("{name}: none among {count}"));
    }
    let named: Vec<&str> = files.all("files.privileged").take(NAMED).collect();
    let more = if found > named.len() as u64 { ", …" } else { "" };
    PRIVILEGED.note(format!("{name}: {found}: {}{more}", named.join(", ")), advice)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::doctor::finding::Verdict;

    const DIGEST: &str = "sha256:9f9b009f9c95e5d1f1b0d0c9c6a7f0e3d2c1b0a99f9b009f9c95e5d1f1b0d0c9";

    fn told(found: Found) -> Vec<(&'static str, Verdict)> {
        let facts = ImageFacts { name: "python3".to_owned(), reference: "caisson/python3:latest".to_owned(), found };
        judge(&facts).iter().map(|finding| (finding.check, finding.verdict)).collect()
    }

    fn open(files: &str) -> Found {
        Found::Open { digest: DIGEST.to_owned(), files: Facts::parse(files) }
    }

    #[test]
    fn a_missing_image_is_a_warning_and_says_how_to_build_it() {
        let facts =
            ImageFacts { name: "c".to_owned(), reference: "caisson/c:latest".to_owned(), found: Found::Missing };
        let findings = judge(&facts);
        assert_eq!((findings[0].check, findings[0].verdict), (PRESENT.id, Verdict::Warning));
        assert!(findings[0].advice.as_ref().is_some_and(|advice| advice.contains("just images c,")), "{findings:?}");
    }

    #[test]
    fn an_image_with_volumes_or_that_doesnt_start_is_broken() {
        assert_eq!(told(Found::Volumes(vec!["/data".to_owned()])), [(VOLUMES.id, Verdict::Broken)]);
        let closed = Found::Closed { digest: DIGEST.to_owned(), reason: "exec format error".to_owned() };
        assert_eq!(told(closed), [(PRESENT.id, Verdict::Good), (STARTS.id, Verdict::Broken)]);
    }

    #[test]
    fn files_with_privilege_are_a_note_because_they_have_none_in_a_sandbox() {
        let verdict = |files| told(open(files))[2].1;
        assert_eq!(verdict("files.count 9000\nfiles.found 0\nfiles.unreadable 2\n"), Verdict::Good);
        let found = "files.privileged setuid /usr/bin/su\nfiles.count 9000\nfiles.found 1\n";
        assert_eq!(verdict(found), Verdict::Note);
        assert_eq!(verdict("files.incomplete 1000000\n"), Verdict::Note);
        assert_eq!(verdict(""), Verdict::Note);
    }
}
