//! Puts a selection of the hostile cases into `caisson`, so that `caisson selftest` needs no file beside itself.

use std::fmt::Write;
use std::fs;
use std::path::{Path, PathBuf};

/// Names the cases, one a line; `#` begins a comment.
const LIST: &str = "tests/cases/selftest.txt";

/// Writes `selftest.rs` to `out`: `CASES`, each with its name and its files.
///
/// # Panics
/// When a case isn't there or the file can't be written; a build script has no other way to fail.
pub(crate) fn generate(root: &Path, out: &Path) {
    let list = root.join(LIST);
    println!("cargo:rerun-if-changed={}", list.display());
    let names = fs::read_to_string(&list).unwrap_or_else(|error| panic!("{}: {error}", list.display()));
    let mut code = "const CASES: &[EmbeddedCase] = &[\n".to_owned();
    for name in names.lines().map(|line| line.split('#').next().unwrap_or("").trim()).filter(|name| !name.is_empty()) {
        let folder = root.join("tests/cases").join(name);
        println!("cargo:rerun-if-changed={}", folder.display());
        let mut files = Vec::new();
        collect(&folder, &folder, &mut files);
        files.sort();
        let _ = writeln!(code, "    EmbeddedCase {{ name: {name:?}, files: &[");
        for file in &files {
            let path = folder.join(file).display().to_string();
            let _ = writeln!(code, "        ({file:?}, include_bytes!({path:?})),");
        }
        code.push_str("    ] },\n");
    }
    code.push_str("];\n");
    let file = out.join("selftest.rs");
    fs::write(&file, code).unwrap_or_else(|error| panic!("{}: {error}", file.display()));
}

fn collect(root: &Path, folder: &PathBuf, files: &mut Vec<String>) {
    let entries = fs::read_dir(folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
    for entry in entries {
        let path = entry.unwrap_or_else(|error| panic!("{}: {error}", folder.display())).path();
        if path.is_dir() {
            collect(root, &path, files);
        } else {
            let relative = path.strip_prefix(root).unwrap_or(&path);
            files.push(relative.display().to_string());
        }
    }
}
