//! File names as people have them, and as the programs that they are handed to take them.

/// A path as an operand of a command: none that an option parser takes for an option (`-x`, bash's `+x`) or for a
/// file of arguments (`@x`, as GCC and java have it).
pub(crate) fn as_operand(path: &str) -> String {
    let prefix = if path.starts_with(['-', '+', '@']) { "./" } else { "" };
    format!("{prefix}{path}")
}

/// The same for the file that an interpreter is to run. A single word may be one of its commands, as in `node inspect`.
pub(super) fn as_script(path: &str) -> String {
    match path.contains(['.', '/']) {
        true => as_operand(path),
        false => format!("./{path}"),
    }
}

/// Whether a file is none that its author wrote as a source: what lies in `__MACOSX/` or has a name that begins with
/// a dot is an archiver's, an editor's or a version control's.
pub(crate) fn is_hidden(path: &str) -> bool {
    path.split('/').any(|part| part.starts_with('.') || part == "__MACOSX")
}

/// Whether the name ends in one of the extensions, in upper or lower case. One that is given in upper case, such as
/// `C`, is only that.
pub(crate) fn has_extension(path: &str, extensions: &[String]) -> bool {
    let file = path.rsplit('/').next().unwrap_or(path);
    match file.rsplit_once('.') {
        None | Some(("", _)) => false,
        Some((_, extension)) => extensions.iter().any(|it| it == extension || *it == extension.to_lowercase()),
    }
}

/// A path that no file of the job has, and no folder of it: the wanted one, or that with a number.
pub(crate) fn free_path<'a>(wanted: &str, files: impl Iterator<Item = &'a str> + Clone) -> String {
    // With a number behind it, a file's longest name would be too long.
    const LONGEST_BYTES: usize = 240;
    let is_taken = |path: &str| {
        files.clone().any(|file| file.strip_prefix(path).is_some_and(|rest| rest.is_empty() || rest.starts_with('/')))
    };
    let file = wanted.rsplit('/').next().unwrap_or(wanted);
    let base = if file.len() > LONGEST_BYTES { "program" } else { wanted };
    let mut numbered = (1u64..).map(|number| format!("{base}-{number}"));
    std::iter::once(wanted.to_owned()).chain(&mut numbered).find(|path| !is_taken(path)).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_program_takes_no_name_of_the_jobs_files_and_folders() {
        for (files, wanted, expected) in [
            (&["main.c"][..], "main", "main"),
            (&["words.c", "words"], "words", "words-1"),
            (&["game.cpp", "game/board.h"], "game", "game-1"),
            (&["game.cpp", "game/board.h", "game-1"], "game", "game-2"),
            (&["x/sum.c", "sum", "x/summer"], "x/sum", "x/sum"),
            (&["main"], "main", "main-1"),
        ] {
            assert_eq!(free_path(wanted, files.iter().copied()), expected, "{files:?}");
        }
        let long = "n".repeat(255);
        assert_eq!(free_path(&long, [long.as_str()].into_iter()), "program-1");
    }

    #[test]
    fn what_archivers_leave_is_hidden() {
        for hidden in ["__MACOSX/Main.java", "a/__MACOSX/._x.c", ".git/x.c", "._main.c", "a/.b.c"] {
            assert!(is_hidden(hidden), "{hidden}");
        }
        for visible in ["main.c", "a.b/main.c", "MACOSX/main.c", "a/__MACOSX__/b.c"] {
            assert!(!is_hidden(visible), "{visible}");
        }
    }

    #[test]
    fn extensions_are_told_in_either_case() {
        let extensions = ["cpp".to_owned(), "C".to_owned(), "c++".to_owned()];
        for (path, expected) in [
            ("MAIN.CPP", true),
            ("a/b.Cpp", true),
            ("main.C", true),
            ("main.c", false),
            ("main.c++", true),
            (".cpp", false),
            ("cpp", false),
            ("a.cpp/main", false),
        ] {
            assert_eq!(has_extension(path, &extensions), expected, "{path}");
        }
    }
}
