//! Reads one language from a TOML table: a file of its own, or a table of the configuration. The list of fields is here
//! once; the reader, the messages, the schema and the documentation go by it.

use toml::de::DeTable;

use super::exhaustion::ending;
use super::limits::limits;
use super::{Language, unknown_placeholder};
use crate::strict_toml::{Field, Kind, LINE, Mistake, Source, TextRule, Value, did_you_mean};

/// One key of a language's table.
#[derive(Debug)]
pub struct LanguageField {
    pub name: &'static str,
    pub kind: Kind,
    pub required: bool,
    pub doc: &'static str,
    pub get: fn(&Language) -> Option<Value>,
    pub set: fn(&mut Language, Value),
}

macro_rules! language_field {
    ($name:ident, $kind:expr, $required:expr, $doc:expr) => {
        LanguageField {
            name: stringify!($name),
            kind: $kind,
            required: $required,
            doc: $doc,
            get: |language| language.$name.value(),
            set: |language, value| language.$name.assign(value),
        }
    };
}

/// Every key of a language but `limits` and `compile_limits`, in the order of the documentation.
pub static LANGUAGE_FIELDS: [LanguageField; 16] = [
    language_field!(name, Kind::Text(NAME), true, "The word in a job's `language`."),
    language_field!(title, Kind::Text(LINE), false, "What people call it; the name when absent."),
    language_field!(image, Kind::Text(IMAGE), true, "The image its jobs run in, as the engine knows it."),
    language_field!(
        extensions,
        Kind::List { rule: EXTENSION, least: 0 },
        false,
        "File name extensions by which `caisson` recognises a source file. No two languages may share one."
    ),
    language_field!(main, Kind::Text(PATH), true, "The entry file, unless a job names another."),
    language_field!(
        compile,
        Kind::List { rule: ARGUMENT, least: 1 },
        false,
        "The command of the compile step; absent for a language that runs its source. The first element is the program, \
         looked up in `PATH`; there is no shell."
    ),
    language_field!(run, Kind::List { rule: ARGUMENT, least: 1 }, true, "The command of each test."),
    language_field!(
        program,
        Kind::Text(PATH),
        false,
        "What `{program}` is, unless a file or folder of the job has that name: then a number is put behind it. Absent: the \
         entry file's name without its extension."
    ),
    language_field!(
        heap_beside_mb,
        MEBIBYTES,
        false,
        "For a runtime with a heap of its own: the memory in MiB that it takes beside the heap. `{heap_mb}` is the memory \
         limit less this and `heap_beside_percent`, and at least a quarter of the limit."
    ),
    language_field!(heap_beside_percent, PERCENT, false, "The same in hundredths of the memory limit, added to it."),
    language_field!(
        heap_exhausted,
        Kind::List { rule: LINE, least: 1 },
        false,
        "What the runtime says on stderr when its heap has run out. With one of these words and an ending of \
         `heap_exhausted_ends`, the verdict is `memory_limit`."
    ),
    language_field!(
        heap_exhausted_ends,
        Kind::List { rule: ENDING, least: 1 },
        false,
        "How the runtime ends when its heap has run out."
    ),
    language_field!(
        stack_least_kb,
        KIBIBYTES,
        false,
        "The least `{stack_kb}`, in KiB: what the runtime needs to start. `{stack_kb}` is the stack limit otherwise."
    ),
    language_field!(
        stack_beside_kb,
        KIBIBYTES,
        false,
        "What the runtime needs of the stack where it doesn't count it, in KiB: the process's limit is `stack_bytes` and \
         this."
    ),
    language_field!(
        stack_memory_percent,
        PERCENT,
        false,
        "The largest `{stack_kb}` in hundredths of the memory limit: a stack that is used takes memory."
    ),
    language_field!(
        env,
        Kind::Map { names: VARIABLE, values: TextRule { allowed: "text", holds: |_| true } },
        false,
        "Environment variables of both steps."
    ),
];

/// What a job's `language` can be, so that no language is out of reach.
const NAME: TextRule = TextRule {
    allowed: "a name of 1 to 64 of a-z 0-9 _ + -, a letter or digit first",
    holds: |text| {
        text.len() <= 64
            && text.starts_with(|first: char| first.is_ascii_lowercase() || first.is_ascii_digit())
            && text.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"_+-".contains(&byte))
    },
};

/// An image reference; the engine knows the grammar, this only keeps out what can never be one.
pub(crate) const IMAGE: TextRule = TextRule {
    allowed: "an image reference such as caisson/python3 or registry.example/grader:4",
    holds: |text| {
        (1..=512).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_graphic()) && !text.starts_with('-')
    },
};

const EXTENSION: TextRule = TextRule {
    allowed: "an extension without its dot, such as py",
    holds: |text| !text.is_empty() && !text.contains(|it: char| it == '.' || it == '/' || it.is_whitespace()),
};

const PATH: TextRule = TextRule {
    allowed: "a relative path without . and .. such as main.py",
    holds: |text| {
        text.split('/').all(|part| !matches!(part, "" | "." | "..") && part.len() <= 255)
            && !text.contains(char::is_control)
    },
};

const ARGUMENT: TextRule = TextRule {
    allowed: "text in which only {main}, {main_stem}, {program}, {memory_mb}, {heap_mb} and {stack_kb} stand in braces",
    holds: |text| unknown_placeholder(text).is_none(),
};

/// Far above any machine's memory, and so that a sum of two is no accident.
const MEBIBYTES: Kind = Kind::Integer { least: 0, most: 1 << 20 };
const KIBIBYTES: Kind = Kind::Integer { least: 0, most: 1 << 20 };
const PERCENT: Kind = Kind::Integer { least: 0, most: 100 };

const ENDING: TextRule =
    TextRule { allowed: "an ending such as \"exit 1\" or \"signal 6\"", holds: |text| ending(text).is_some() };

const VARIABLE: TextRule = TextRule {
    allowed: "a name of A-Z a-z 0-9 _ that does not begin with a digit",
    holds: |text| {
        !text.starts_with(|first: char| first.is_ascii_digit())
            && !text.is_empty()
            && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
    },
};

const TABLES: [&str; 2] = ["limits", "compile_limits"];

/// Reads a language. `named` is the name that the table's own key gives it, with the bytes where that stands; without it,
/// the table is a file of its own and has a `name`. What comes back is whole only if no mistake was added.
pub(crate) fn language(
    source: &Source<'_>,
    table: &DeTable<'_>,
    named: Option<(&str, usize)>,
    mistakes: &mut Vec<Mistake>,
) -> Language {
    let mut language = Language::default();
    let prefix = named.map_or(String::new(), |(name, _)| format!("languages.{name}."));
    if let Some((name, offset)) = named {
        match Kind::Text(NAME).read_text(name) {
            Ok(value) => language.name.assign(value),
            Err(problem) => mistakes.push(source.mistake(offset, format!("languages.{name}"), problem)),
        }
    }
    let fields = || LANGUAGE_FIELDS.iter().filter(|field| named.is_none() || field.name != "name");
    for (key, value) in table {
        let full = format!("{prefix}{}", key.get_ref());
        if let Some(field) = fields().find(|field| field.name == key.get_ref()) {
            if let Some(value) = source.value(&field.kind, &full, value, mistakes) {
                (field.set)(&mut language, value);
            }
        } else if key.get_ref() == "limits" {
            language.limits = limits(source, value, &full, mistakes);
        } else if key.get_ref() == "compile_limits" {
            language.compile_limits = limits(source, value, &full, mistakes);
        } else {
            let known = fields().map(|field| field.name).chain(TABLES);
            let problem = format!("unknown key{}", did_you_mean(key.get_ref(), known));
            mistakes.push(source.mistake(key.span().start, full, problem));
        }
    }
    let start = named.map_or(0, |(_, offset)| offset);
    for field in fields().filter(|field| field.required && !table.contains_key(field.name)) {
        let problem = format!("is missing; allowed is {}", field.kind.allowed());
        mistakes.push(source.mistake(start, format!("{prefix}{}", field.name), problem));
    }
    if language.compile.is_none()
        && !table.contains_key("compile")
        && let Some((key, _)) = table.get_key_value("compile_limits")
    {
        let problem = "limits a compile step, but there is no compile command";
        mistakes.push(source.mistake(key.span().start, format!("{prefix}compile_limits"), problem));
    }
    if language.title.is_empty() {
        language.title.clone_from(&language.name);
    }
    language
}

#[cfg(test)]
mod tests {
    use super::*;

    const PYTHON: &str = r#"
        name = "python3"
        title = "Python 3"
        image = "caisson/python3"
        extensions = ["py"]
        main = "main.py"
        compile = ["python3", "-m", "py_compile", "{main}"]
        run = ["python3", "{main}"]
        program = ".compiled"
        heap_beside_mb = 40
        heap_beside_percent = 2
        heap_exhausted = ["out of memory"]
        heap_exhausted_ends = ["exit 1", "signal 6"]
        stack_least_kb = 64
        stack_beside_kb = 1024
        stack_memory_percent = 25
        env = { PYTHONDONTWRITEBYTECODE = "1" }
        limits = { memory_bytes = 268_435_456 }
        compile_limits = { cpu_time_ms = 5000 }
    "#;

    #[test]
    fn every_field_of_the_format_arrives() {
        let language = Language::parse("language.toml", PYTHON).expect("the text is right");
        assert_eq!(language.title, "Python 3");
        assert_eq!(language.run, ["python3", "{main}"]);
        assert_eq!(language.env["PYTHONDONTWRITEBYTECODE"], "1");
        assert_eq!(language.limits.memory_bytes, Some(256 << 20));
        assert_eq!(language.compile_limits.cpu_time_ms, Some(5_000));
        for field in &LANGUAGE_FIELDS {
            assert!((field.get)(&language).is_some(), "{} was not taken over", field.name);
        }
    }

    #[test]
    fn all_mistakes_of_a_language_are_reported_with_their_lines() {
        let text = "name = \"Python\"\nextension = [\"py\"]\nmain = \"../main.py\"\ncompile = []\nrun = [\"python3\",\n  \
                    \"{mian}\", 3]\nlimits = { cpu_time = 1, open_files = 0 }\n[env]\n\"A-B\" = \"x\"\nC = 1\n";
        let mistakes = Language::parse("language.toml", text).expect_err("the text is wrong");
        let message: String = mistakes.iter().map(|mistake| format!("{mistake}\n")).collect();
        insta::assert_snapshot!(message, @r#"
        language.toml:1: image: is missing; allowed is an image reference such as caisson/python3 or registry.example/grader:4
        language.toml:1: name: "Python" does not fit; allowed is a name of 1 to 64 of a-z 0-9 _ + -, a letter or digit first
        language.toml:2: extension: unknown key; did you mean extensions?
        language.toml:3: main: "../main.py" does not fit; allowed is a relative path without . and .. such as main.py
        language.toml:4: compile: has 0 elements; allowed is a list of at least 1, each element text in which only {main}, {main_stem}, {program}, {memory_mb}, {heap_mb} and {stack_kb} stand in braces
        language.toml:6: run: "{mian}" does not fit; allowed is text in which only {main}, {main_stem}, {program}, {memory_mb}, {heap_mb} and {stack_kb} stand in braces
        language.toml:6: run: is a whole number; allowed is text in which only {main}, {main_stem}, {program}, {memory_mb}, {heap_mb} and {stack_kb} stand in braces
        language.toml:7: limits.cpu_time: unknown key; did you mean cpu_time_ms?
        language.toml:7: limits.open_files: 0 is out of range; allowed is a whole number from 4 to 1048576
        language.toml:9: env: "A-B" does not fit; allowed is a name of A-Z a-z 0-9 _ that does not begin with a digit
        language.toml:10: env: is a whole number; allowed is text
        "#);
    }

    #[test]
    fn limits_for_a_compile_step_that_does_not_exist_are_a_mistake() {
        let text = PYTHON.replace("compile = ", "#");
        let mistakes = Language::parse("language.toml", &text).expect_err("there is no compile step");
        assert_eq!(mistakes.len(), 1);
        assert_eq!(mistakes[0].key, "compile_limits");
    }
}
