//! Generates the list of built-in languages: adding a folder with a `language.toml` to `images/` is all it takes.
//! A module of its own, so that the build script stays a list of steps.

use std::fs;
use std::path::Path;

/// Writes `languages.rs` to `out`: `BUILT_IN` with the name and the text of each `images/<name>/language.toml` under `root`.
///
/// # Panics
/// When the folder cannot be read or the file cannot be written; a build script has no other way to fail.
pub(crate) fn generate(root: &Path, out: &Path) {
    let images = root.join("images");
    println!("cargo:rerun-if-changed={}", images.display());
    let folders = fs::read_dir(&images).unwrap_or_else(|error| panic!("{}: {error}", images.display()));
    let mut rows = Vec::new();
    for folder in folders {
        let folder = folder.unwrap_or_else(|error| panic!("{}: {error}", images.display())).path();
        let file = folder.join("language.toml");
        // A folder without one is the base image, and cargo would rebuild for ever over a file that doesn't exist.
        if let (true, Some(name)) = (file.is_file(), folder.file_name().and_then(|name| name.to_str())) {
            println!("cargo:rerun-if-changed={}", file.display());
            rows.push(format!("    ({name:?}, include_str!({:?})),\n", file.display().to_string()));
        }
    }
    // The order of a directory is anybody's; a build is the same each time.
    rows.sort();
    let code = format!("pub const BUILT_IN: &[(&str, &str)] = &[\n{}];\n", rows.concat());
    let file = out.join("languages.rs");
    fs::write(&file, code).unwrap_or_else(|error| panic!("{}: {error}", file.display()));
}
