//! docs/languages.md, from the language files that are built in.

use super::{GENERATED, code, table};
use crate::language::{LANGUAGE_FIELDS, Language, Languages};
use crate::limits::{LIMIT_FIELDS, LimitsRequest};
use crate::strict_toml::Value;

const HEAD: &str = r#"
What a job can name as its `language` without anything in the operator's configuration. Each is a folder of `images/`
with a `Dockerfile` and a `language.toml`; adding such a folder adds a language. An operator adds more, or replaces
these, by [`[languages.NAME]`](configuration.md#languagesname) tables.

A job may give its own `compile` and `run`, which then stand in the place of those below. What stands in braces is filled in
for each step:

| placeholder | what it is |
| --- | --- |
| `{main}` | The entry file's path. Where a program would take it for an option or a command of its own, `./` stands before it. |
| `{main_stem}` | The same without its last extension. |
| `{program}` | The path of what the compile step makes: `./` and `{main_stem}`, or `program` where the language has that. Where a file or folder of the job has that name, and the compile command says `{program}`, a number is put behind it. |
| `{memory_mb}` | The memory limit in MiB. |
| `{heap_mb}` | The memory limit less what the runtime takes beside its heap, in MiB. |
| `{stack_kb}` | What the runtime may give of the stack to the program, in KiB. |

Sources are files with one of the language's extensions, in upper or lower case, and the entry file. A UTF-8 byte order mark
before a source is left out. Where a language compiles all sources of a job, files and folders that begin with a dot or are
called `__MACOSX` are none.

"#;

/// The list of the built-in languages.
pub fn languages() -> String {
    // The files' own test keeps them free of mistakes; a page cannot say more about one than not to show it.
    let languages = Languages::built_in().unwrap_or_default();
    let mut page = format!("# Languages\n\n{GENERATED}\n{HEAD}");
    page.push_str(&table(
        &["language", "title", "files", "entry file", "image"],
        languages.iter().map(|language| {
            let extensions: Vec<String> = language.extensions.iter().map(|it| code(&format!(".{it}"))).collect();
            let Language { name, title, main, image, .. } = language;
            vec![code(name), title.clone(), extensions.join(", "), code(main), code(image)]
        }),
    ));
    page.extend(languages.iter().map(section));
    format!("{}\n", page.trim_end())
}

fn section(language: &Language) -> String {
    let mut text = format!("## {}\n\n```toml\n", language.title);
    if let Some(compile) = &language.compile {
        text.push_str(&format!("compile = {}\n", Value::List(compile.clone())));
    }
    text.push_str(&format!("run = {}\n", Value::List(language.run.clone())));
    let told = [
        "program",
        "heap_beside_mb",
        "heap_beside_percent",
        "stack_least_kb",
        "stack_beside_kb",
        "stack_memory_percent",
    ];
    for field in LANGUAGE_FIELDS.iter().filter(|field| told.contains(&field.name)) {
        if let Some(value) = (field.get)(language) {
            text.push_str(&format!("{} = {value}\n", field.name));
        }
    }
    if !language.env.is_empty() {
        text.push_str(&format!("env = {}\n", Value::Map(language.env.clone())));
    }
    text.push_str("```\n\n");
    for (step, request) in [("run", &language.limits), ("compile step", &language.compile_limits)] {
        if let Some(limits) = requested(request) {
            text.push_str(&format!("Limits of its {step} that differ from the operator's defaults: {limits}.\n\n"));
        }
    }
    text
}

fn requested(request: &LimitsRequest) -> Option<String> {
    let given = LIMIT_FIELDS.iter().filter_map(|field| Some((field.name, (field.requested)(request)?)));
    let given: Vec<String> = given.map(|(name, value)| code(&format!("{name} = {value}"))).collect();
    (!given.is_empty()).then(|| given.join(", "))
}
