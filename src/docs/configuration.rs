//! docs/configuration.md, from the table of settings.

use super::{GENERATED, code, table};
use crate::config::{OTHER_VARIABLES, Setting, TABLES, settings};
use crate::language::LANGUAGE_FIELDS;

const HEAD: &str = r#"
A worker reads one TOML file, named by `--config` or `CAISSON_CONFIG`. Everything in it has a default where one makes
sense, so a file can be as short as this:

```toml
[queue]
incoming_url = "https://sqs.eu-central-1.amazonaws.com/123456789012/jobs"
outgoing_url = "https://sqs.eu-central-1.amazonaws.com/123456789012/results"
```

Or there is no file at all, and the environment says it: each setting has a variable, which goes before the file.
Numbers are written without a unit, because the unit is in the name (`_s`, `_ms`, `_bytes`); in a variable the elements
of a list are separated by commas. A variable that is empty counts as not set.

All mistakes of the file and of the environment are reported at once, each with its line or its variable, and the worker
then ends with exit code 64. Unknown keys and unknown `CAISSON_` variables are mistakes too: a misspelt limit must not be
a missing limit. `caisson config show` prints what is in force, and where each value comes from. The file's
JSON Schema is `schema/config.json`.

"#;

const LANGUAGES: &str = r#"## `[languages.NAME]`

Each such table adds a language, or takes the place of the built-in language of that name as a whole. A language is an
image and two commands:

```toml
[languages.lua]
title = "Lua 5.4"
image = "registry.example/lua:5.4"
extensions = ["lua"]
main = "main.lua"
run = ["lua5.4", "{main}"]
limits = { memory_bytes = 134_217_728 }
```

[languages.md](languages.md) says what the placeholders `{main}`, `{main_stem}`, `{program}`, `{memory_mb}`, `{heap_mb}` and
`{stack_kb}` stand for, and lists the languages that come with Caisson. Any other lower-case word in braces is a mistake, unless
it follows a `$`. Languages have no variables.

"#;

const LANGUAGE_LIMITS: &str = r#"`limits` and `compile_limits` hold any of the limits of `[limits]` and `[compile_limits]`, go before those, and may
not be above `[maximum]`; those of the built-in languages come down with it.

"#;

const LIMITS: &str = "Limits that follow from others: a default that nobody set is lowered to a lowered maximum, and one that was set above the maximum is a mistake.\n\n";

/// The reference of all settings.
pub fn configuration() -> String {
    let mut page = format!("# Configuration\n\n{GENERATED}\n{HEAD}");
    for (name, about) in TABLES {
        let title = if name.is_empty() { "Top of the file".to_owned() } else { format!("`[{name}]`") };
        page.push_str(&format!("## {title}\n\n{about}\n\n"));
        if name == "maximum" {
            page.push_str(LIMITS);
        }
        let rows = || settings().iter().filter(|setting| setting.table == name);
        if rows().all(Setting::is_limit) {
            let head = ["setting", "default", "from", "to", "what it is", "variable"];
            page.push_str(&table(&head, rows().map(limit_row)));
        } else {
            page.extend(rows().map(section));
        }
    }
    page.push_str(LANGUAGES);
    let fields = LANGUAGE_FIELDS.iter().filter(|field| field.name != "name");
    let required = |it: bool| if it { "yes" } else { "no" }.to_owned();
    let rows = fields
        .map(|field| vec![code(field.name), required(field.required), field.kind.allowed(), field.doc.to_owned()]);
    page.push_str(&table(&["key", "required", "allowed", "what it is"], rows));
    page.push_str(LANGUAGE_LIMITS);
    page.push_str("## Other variables\n\nThese begin with `CAISSON_` too, but are no settings.\n\n");
    page.push_str(&table(
        &["variable", "what it is"],
        OTHER_VARIABLES.iter().map(|(name, about)| vec![code(name), (*about).to_owned()]),
    ));
    format!("{}\n", page.trim_end())
}

fn section(setting: &Setting) -> String {
    let default = match &setting.fallback {
        crate::config::Fallback::Value(value) => code(&value.to_string()),
        crate::config::Fallback::Words(words) => (*words).to_owned(),
    };
    format!(
        "### {}\n\n- Allowed: {}\n- Default: {default}\n- Variable: {}\n\n{}\n\n",
        code(&setting.key()),
        setting.kind.allowed(),
        code(&setting.variable()),
        setting.doc,
    )
}

fn limit_row(setting: &Setting) -> Vec<String> {
    let (least, most) = match setting.kind {
        crate::strict_toml::Kind::Integer { least, most } => (least.to_string(), most.to_string()),
        _ => (String::new(), String::new()),
    };
    let default = setting.default_words();
    vec![code(&setting.key()), default, least, most, setting.doc.to_string(), code(&setting.variable())]
}
