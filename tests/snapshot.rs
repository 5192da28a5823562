//! What the agent restores a workspace from may be any bytes: they come from another sandbox, where a program may have
//! taken over the agent. The agent is a program of its own without tests, so its files are read in here.

#[path = "../src/bin/caisson-agent/archive.rs"]
#[allow(dead_code, reason = "the agent uses all of it")]
mod archive;
#[path = "../src/bin/caisson-agent/channel.rs"]
#[allow(dead_code, reason = "the agent uses all of it")]
mod channel;
#[path = "../src/bin/caisson-agent/sys.rs"]
#[allow(dead_code, reason = "the agent uses all of it")]
mod sys;
#[path = "../src/bin/caisson-agent/tree.rs"]
#[allow(dead_code, reason = "the agent uses all of it")]
mod tree;

use std::ffi::CString;
use std::fs::{self, File, Permissions};
use std::io::Write;
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::path::Path;

use proptest::prelude::*;

const FILE: u8 = 1;
const FOLDER: u8 = 2;
const LINK: u8 = 3;

/// A record as the agent writes it, of whatever is in it.
fn record(kind: u8, mode: u32, path: &[u8], content: &[u8]) -> Vec<u8> {
    let mut bytes = vec![kind];
    bytes.extend_from_slice(&mode.to_le_bytes());
    bytes.extend_from_slice(&u16::try_from(path.len()).expect("a path of a test is short").to_le_bytes());
    bytes.extend_from_slice(&(content.len() as u64).to_le_bytes());
    [&bytes[..], path, content].concat()
}

/// Restores these bytes into a workspace beside which nothing may change.
fn restore(bytes: &[u8]) -> (std::io::Result<()>, tempfile::TempDir) {
    let place = tempfile::tempdir().expect("a folder can be made");
    fs::create_dir(place.path().join("box")).expect("a folder can be made");
    fs::write(place.path().join("outside"), "untouched").expect("a file can be written");
    let root = sys::open_directory(place.path().join("box").to_str().expect("it is UTF-8")).expect("it is there");
    let mut file = sys::memory_file(c"snapshot").expect("there is memory");
    file.write_all(bytes).expect("there is memory");
    let outcome = archive::restore(&file, &root);
    let beside: Vec<_> = fs::read_dir(place.path()).expect("it is there").map(|it| it.expect("it is").path()).collect();
    assert_eq!(beside.len(), 2, "{beside:?}");
    assert_eq!(fs::read(place.path().join("outside")).expect("it is there"), b"untouched");
    assert_eq!(fs::metadata(place.path().join("outside")).expect("it is there").mode() & 0o777, 0o644);
    (outcome, place)
}

/// Each entry below a folder: its path, its type and mode, its content or target.
fn listing(folder: &Path) -> Vec<(String, u32, Vec<u8>)> {
    let mut found = Vec::new();
    let mut pending = vec![folder.to_owned()];
    while let Some(next) = pending.pop() {
        for entry in fs::read_dir(&next).expect("it can be read") {
            let path = entry.expect("it can be read").path();
            let metadata = fs::symlink_metadata(&path).expect("it is there");
            let content = if metadata.is_dir() {
                pending.push(path.clone());
                Vec::new()
            } else if metadata.is_symlink() {
                fs::read_link(&path).expect("it is one").into_os_string().into_encoded_bytes()
            } else if metadata.is_file() {
                fs::read(&path).expect("it can be read")
            } else {
                Vec::new()
            };
            let name = path.strip_prefix(folder).expect("it is below").to_string_lossy().into_owned();
            found.push((name, metadata.mode(), content));
        }
    }
    found.sort();
    found
}

#[test]
fn what_was_taken_is_restored_and_the_workspace_stays_as_it_was() {
    let place = tempfile::tempdir().expect("a folder can be made");
    let from = place.path().join("from");
    fs::create_dir_all(from.join("a/b/c")).expect("folders can be made");
    fs::create_dir(from.join("empty")).expect("a folder can be made");
    for (path, content, mode) in [
        ("main.c", "int main(void) {}", 0o644),
        ("main", "\u{7f}ELF", 0o755),
        ("a/secret", "s", 0o000),
        ("a/b/c/odd", "", 0o4711),
        ("a/b/write-only", "w", 0o222),
        ("a/b/новый файл", "text", 0o600),
    ] {
        fs::write(from.join(path), content).expect("a file can be written");
        fs::set_permissions(from.join(path), Permissions::from_mode(mode)).expect("it is ours");
    }
    symlink("../../main.c", from.join("a/b/link")).expect("a link can be made");
    symlink("/etc/passwd", from.join("absolute")).expect("a link can be made");
    symlink("nowhere", from.join("dangling")).expect("a link can be made");
    let before_pipe = listing(&from);
    let pipe = CString::new(from.join("pipe").into_os_string().into_encoded_bytes()).expect("it has no NUL");
    rustix::fs::mknodat(rustix::fs::CWD, &pipe, rustix::fs::FileType::Fifo, 0o600.into(), 0).expect("it can be made");
    for (path, mode) in [("a/b/c", 0o500), ("a/b", 0o311), ("empty", 0o000), ("a", 0o111)] {
        fs::set_permissions(from.join(path), Permissions::from_mode(mode)).expect("it is ours");
    }
    let modes = ["a", "empty", "main"].map(|path| fs::metadata(from.join(path)).expect("it is there").mode());

    let root = sys::open_directory(from.to_str().expect("it is UTF-8")).expect("it is there");
    let snapshot = archive::take(&root).expect("it can be taken");
    let after = ["a", "empty", "main"].map(|path| fs::metadata(from.join(path)).expect("it is there").mode());
    assert_eq!(after, modes, "what was opened up is closed again");

    let to = place.path().join("to");
    fs::create_dir(&to).expect("a folder can be made");
    let root = sys::open_directory(to.to_str().expect("it is UTF-8")).expect("it is there");
    archive::restore(&snapshot, &root).expect("it can be restored");
    // As it was before its folders were closed, which a test that isn't root couldn't look into.
    for folder in [&from, &to] {
        for path in ["a", "a/b", "a/b/c", "empty"] {
            let path = folder.join(path);
            let mode = fs::metadata(&path).expect("it is there").mode() & 0o7777;
            assert_ne!(mode, 0o755, "{} has its mode", path.display());
            fs::set_permissions(&path, Permissions::from_mode(0o755)).expect("it is ours");
        }
    }
    assert_eq!(listing(&to), before_pipe, "all but the pipe");
    assert_eq!(listing(&from).len(), before_pipe.len() + 1);
}

#[test]
fn names_that_lead_elsewhere_are_refused() {
    let names: [&[u8]; 12] = [
        b"..",
        b"../outside",
        b"a/../../outside",
        b"/outside",
        b"/",
        b"",
        b".",
        b"./x",
        b"a//b",
        b"a/",
        b"x\0y",
        b"a/./b",
    ];
    for name in names {
        for kind in [FILE, FOLDER, LINK] {
            let content: &[u8] = if kind == FOLDER { b"" } else { b"new" };
            let (outcome, _place) = restore(&record(kind, 0o644, name, content));
            assert!(outcome.is_err(), "{:?} as {kind}", String::from_utf8_lossy(name));
        }
    }
}

#[test]
fn nothing_is_written_or_changed_through_a_link() {
    let escape = |target: &[u8]| record(LINK, 0o777, b"l", target);
    let through: [Vec<u8>; 8] = [
        record(FILE, 0o777, b"l", b"new"),
        record(FOLDER, 0o777, b"l", b""),
        record(LINK, 0o777, b"l", b"elsewhere"),
        record(FILE, 0o777, b"l/outside", b"new"),
        record(FILE, 0o777, b"l/new", b"new"),
        record(FOLDER, 0o700, b"l/new", b""),
        record(LINK, 0o777, b"l/new", b"x"),
        record(FILE, 0o777, b"l/a/b", b"new"),
    ];
    for target in [&b".."[..], b"../outside", b"/tmp", b"."] {
        for next in &through {
            let (outcome, place) = restore(&[escape(target), next.clone()].concat());
            assert!(outcome.is_err(), "{next:?} through {target:?}");
            let link = fs::read_link(place.path().join("box/l")).expect("the link itself is there");
            assert_eq!(link.into_os_string().into_encoded_bytes(), target);
        }
    }
    // A link that leads elsewhere is made all the same: a compile step may leave one, and only names it.
    let (outcome, place) = restore(&escape(b"/etc/passwd"));
    outcome.expect("it is made");
    assert!(fs::symlink_metadata(place.path().join("box/l")).expect("it is there").is_symlink());
}

#[test]
fn there_is_no_form_for_a_device_a_pipe_or_a_socket() {
    for kind in (0..=255u8).filter(|kind| ![FILE, FOLDER, LINK].contains(kind)) {
        let (outcome, place) = restore(&record(kind, libc::S_IFCHR | 0o666, b"x", b""));
        assert!(outcome.is_err(), "{kind}");
        assert_eq!(listing(&place.path().join("box")), []);
    }
    // The type that stands in a mode is nothing that is looked at.
    for kind in [FILE, FOLDER] {
        for r#type in [libc::S_IFCHR, libc::S_IFBLK, libc::S_IFIFO, libc::S_IFSOCK, libc::S_IFLNK, !0o7777] {
            let (outcome, place) = restore(&record(kind, r#type | 0o640, b"x", b""));
            outcome.expect("it is a file or a folder");
            let metadata = fs::symlink_metadata(place.path().join("box/x")).expect("it is there");
            assert!(if kind == FILE { metadata.is_file() } else { metadata.is_dir() });
            assert_eq!(metadata.mode() & 0o7777, 0o640);
        }
    }
}

#[test]
fn lengths_that_are_not_true_are_refused_before_anything_is_made_of_them() {
    let whole = record(FILE, 0o644, b"file", b"content");
    for cut in 1..whole.len() {
        assert!(restore(&whole[..cut]).0.is_err(), "{cut} bytes of {}", whole.len());
    }
    let with_size = |kind, size: u64| {
        let mut bytes = record(kind, 0o644, b"file", b"content");
        bytes[7..15].copy_from_slice(&size.to_le_bytes());
        bytes
    };
    for size in [8, 1 << 20, 1 << 40, i64::MAX as u64, u64::MAX] {
        for kind in [FILE, FOLDER, LINK] {
            assert!(restore(&with_size(kind, size)).0.is_err(), "{size} as {kind}");
        }
    }
    let long = vec![b'x'; libc::PATH_MAX as usize + 1];
    assert!(restore(&record(FILE, 0o644, &long, b"")).0.is_err());
    assert!(restore(&record(LINK, 0o644, b"l", &long)).0.is_err());
    assert!(restore(&record(FOLDER, 0o755, b"d", b"content")).0.is_err());
    let many: Vec<u8> =
        (0..9_000).flat_map(|number| record(FILE, 0o644, format!("{number}").as_bytes(), b"")).collect();
    let outcome = restore(&many).0;
    assert_eq!(outcome.expect_err("no compiler makes as many").raw_os_error(), Some(libc::E2BIG));
}

#[test]
fn a_snapshot_of_more_than_a_compiler_makes_is_not_taken() {
    let place = tempfile::tempdir().expect("a folder can be made");
    for number in 0..8_193 {
        File::create(place.path().join(number.to_string())).expect("a file can be made");
    }
    let root = sys::open_directory(place.path().to_str().expect("it is UTF-8")).expect("it is there");
    assert_eq!(archive::take(&root).expect_err("they are too many").raw_os_error(), Some(libc::E2BIG));
}

fn any_record() -> impl Strategy<Value = Vec<u8>> {
    const NAMES: [&str; 12] =
        ["a", "b", "a/b", "a/b/c", "..", "../outside", "a/../..", "/outside", ".", "", "b/outside", "a/outside"];
    const TARGETS: [&str; 7] = ["..", "../..", ".", "a", "../outside", "/tmp", ""];
    (0..6u8, any::<u32>(), prop::sample::select(&NAMES[..]), prop::sample::select(&TARGETS[..])).prop_map(
        |(kind, mode, path, content)| {
            let content = if kind == FOLDER { "" } else { content };
            record(kind, mode, path.as_bytes(), content.as_bytes())
        },
    )
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    /// That nothing beside the workspace changes is what `restore` looks at.
    #[test]
    fn no_records_lead_out_of_the_workspace(
        records in prop::collection::vec(any_record(), 0..8),
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..4),
    ) {
        let mut bytes = records.concat();
        let _ = restore(&bytes);
        if !bytes.is_empty() {
            for (at, byte) in changes {
                let at = at.index(bytes.len());
                bytes[at] = byte;
            }
            let _ = restore(&bytes);
        }
    }
}
