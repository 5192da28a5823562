//! The placeholders of an argument vector. Expansion is a plain replacement of whole words in braces, done once: what a
//! placeholder stands for is never looked at again, so a file called `{memory_mb}` is just that.

use super::names::{as_operand, as_script};

/// What the placeholders stand for in one step of a job.
#[derive(Debug, Clone, Copy)]
pub struct Placeholders<'a> {
    /// `{main}`: the path of the entry file; `{main_stem}` follows from it. Both are written so that no program takes
    /// them for an option.
    pub main: &'a str,
    /// `{program}`: the path of what the compile step makes.
    pub program: &'a str,
    /// `{memory_mb}`: the step's memory limit in MiB.
    pub memory_mb: u64,
    /// `{heap_mb}`: how much of it a runtime's own heap may take, in MiB.
    pub heap_mb: u64,
    /// `{stack_kb}`: how much of the stack a runtime may give to the program, in KiB.
    pub stack_kb: u64,
}

const NAMES: [&str; 6] = ["main", "main_stem", "program", "memory_mb", "heap_mb", "stack_kb"];

/// Replaces the placeholders in one argument; everything else stays as it is, braces included.
pub fn expand(argument: &str, placeholders: &Placeholders<'_>) -> String {
    let mut expanded = String::with_capacity(argument.len());
    let mut rest = argument;
    while let Some(start) = rest.find('{') {
        expanded.push_str(&rest[..start]);
        rest = &rest[start..];
        let name = rest[1..].split_once('}').map_or("", |(name, _)| name);
        match name {
            "main" => expanded.push_str(&as_script(placeholders.main)),
            "main_stem" => expanded.push_str(&as_operand(main_stem(placeholders.main))),
            "program" => expanded.push_str(placeholders.program),
            "memory_mb" => expanded.push_str(&placeholders.memory_mb.to_string()),
            "heap_mb" => expanded.push_str(&placeholders.heap_mb.to_string()),
            "stack_kb" => expanded.push_str(&placeholders.stack_kb.to_string()),
            _ => {
                // Not ours: only the brace is passed over, another may open before this one closes.
                expanded.push('{');
                rest = &rest[1..];
                continue;
            }
        }
        rest = &rest[name.len() + 2..];
    }
    expanded.push_str(rest);
    expanded
}

/// The path without the last extension of its file name: `src/Main.java` → `src/Main`. A name that only begins with a
/// dot has no extension.
pub fn main_stem(main: &str) -> &str {
    let file = main.rfind('/').map_or(0, |slash| slash + 1);
    match main[file..].rfind('.') {
        None | Some(0) => main,
        Some(dot) => &main[..file + dot],
    }
}

/// The first thing in an argument that looks like a placeholder and is none: a lower-case word in braces. `${name}`
/// is a shell's and `{}` is `xargs`' and `find`'s, so neither counts.
///
/// For an operator's own commands, where it is surely a typo; in a job's it may be anything.
pub fn unknown_placeholder(argument: &str) -> Option<&str> {
    argument.match_indices('{').find_map(|(at, _)| {
        let (name, _) = argument[at + 1..].split_once('}')?;
        let is_word = !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_');
        (is_word && !argument[..at].ends_with('$') && !NAMES.contains(&name)).then_some(name)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const SOME: Placeholders<'_> =
        Placeholders { main: "src/Main.java", program: "./src/Main", memory_mb: 256, heap_mb: 198, stack_kb: 32_768 };

    #[test]
    fn placeholders_are_replaced_wherever_they_stand() {
        for (argument, expected) in [
            ("{main}", "src/Main.java"),
            ("-o{main_stem}.out", "-osrc/Main.out"),
            ("-Xmx{memory_mb}m", "-Xmx256m"),
            ("-Xmx{heap_mb}m", "-Xmx198m"),
            ("-Xss{stack_kb}k", "-Xss32768k"),
            ("@{program}", "@./src/Main"),
            ("{main}{main}", "src/Main.javasrc/Main.java"),
            ("{{main}}", "{src/Main.java}"),
            ("{ main }", "{ main }"),
            ("{other} {main", "{other} {main"),
            ("{", "{"),
            ("", ""),
        ] {
            assert_eq!(expand(argument, &SOME), expected, "{argument}");
        }
    }

    #[test]
    fn a_name_that_looks_like_an_option_is_written_as_a_path() {
        for (main, expected) in [
            ("-h.py", "./-h.py ./-h"),
            ("+x.sh", "./+x.sh ./+x"),
            ("@a.java", "./@a.java ./@a"),
            ("inspect", "./inspect inspect"),
            ("-a/b.py", "./-a/b.py ./-a/b"),
            ("a/-b.py", "a/-b.py a/-b"),
            (".hidden", ".hidden .hidden"),
        ] {
            assert_eq!(expand("{main} {main_stem}", &Placeholders { main, ..SOME }), expected);
        }
    }

    #[test]
    fn the_stem_keeps_directories_and_loses_one_extension() {
        for (main, expected) in [
            ("main.c", "main"),
            ("src/Main.java", "src/Main"),
            ("a.tar.gz", "a.tar"),
            ("v1.2/main", "v1.2/main"),
            (".hidden", ".hidden"),
            ("a/.hidden", "a/.hidden"),
            ("плюс.cpp", "плюс"),
        ] {
            assert_eq!(main_stem(main), expected);
        }
    }

    #[test]
    fn an_unknown_placeholder_is_seen_but_not_what_belongs_to_other_tools() {
        assert_eq!(unknown_placeholder("{main} {man}"), Some("man"));
        for fine in ["{main}", "${name}", "{}", "{ print }", "{1..3}", "{\"a\":1}", "{a", "a}"] {
            assert_eq!(unknown_placeholder(fine), None, "{fine}");
        }
    }

    proptest! {
        /// Whatever a producer calls a file, its name arrives unchanged.
        #[test]
        fn what_a_placeholder_stands_for_is_not_expanded_again(main in "[{}a-z_/]{0,20}[.]", before in "[{}$a-z]{0,5}") {
            let placeholders = Placeholders { main: &main, ..SOME };
            prop_assert_eq!(expand(&format!("{before} {{main}}"), &placeholders), format!("{} {main}", expand(&before, &placeholders)));
        }

        #[test]
        fn text_without_braces_stays(argument in "[^{]*") {
            prop_assert_eq!(expand(&argument, &SOME), argument);
        }
    }
}
