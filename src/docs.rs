//! The pages of `docs/` that are made from the code, so that they cannot fall behind it. `just generate` writes them, and
//! CI fails when a page in the repository is not what this module says.

mod configuration;
mod languages;
mod metrics;
mod verdicts;

pub use configuration::configuration;
pub use languages::languages;
pub use metrics::metrics;
pub use verdicts::verdicts;

/// The first line under the title of each generated page, for whoever opens it to mend a word.
const GENERATED: &str = "<!-- Made from the code by `just generate`; change it there. -->";

/// A Markdown table. A `|` in a cell would end it, so it is escaped.
fn table(head: &[&str], rows: impl IntoIterator<Item = Vec<String>>) -> String {
    let line = |cells: Vec<String>| {
        let cells: Vec<String> = cells.iter().map(|cell| cell.replace('|', "\\|").replace('\n', " ")).collect();
        format!("| {} |\n", cells.join(" | "))
    };
    let mut text = line(head.iter().map(|cell| (*cell).to_owned()).collect());
    text.push_str(&line(head.iter().map(|_| "---".to_owned()).collect()));
    text.extend(rows.into_iter().map(line));
    text.push('\n');
    text
}

/// Text as inline code.
fn code(text: &str) -> String {
    format!("`{text}`")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{Config, OTHER_VARIABLES, TABLES, settings};
    use crate::language::{LANGUAGE_FIELDS, Languages};
    use crate::verdict::Verdict;

    #[test]
    fn the_configuration_page_has_every_setting_variable_and_table() {
        let page = configuration();
        for setting in settings() {
            assert!(page.contains(&code(&setting.key())), "{} is missing", setting.key());
            assert!(page.contains(&setting.variable()), "{} is missing", setting.variable());
            assert!(page.contains(setting.doc.as_ref()), "{} is not explained", setting.key());
        }
        assert!(TABLES.iter().all(|(table, _)| page.contains(&format!("[{table}]")) || table.is_empty()));
        assert!(OTHER_VARIABLES.iter().all(|(name, _)| page.contains(name)));
        assert!(LANGUAGE_FIELDS.iter().all(|field| field.name == "name" || page.contains(field.doc)));
    }

    #[test]
    fn the_examples_of_the_configuration_page_load() {
        let page = configuration();
        let examples: Vec<&str> = page.split("```toml\n").skip(1).filter_map(|rest| rest.split("```").next()).collect();
        assert!(!examples.is_empty());
        for example in examples {
            Config::parse("example.toml", example).unwrap_or_else(|errors| panic!("{errors}\n{example}"));
        }
    }

    #[test]
    fn the_verdicts_page_has_every_verdict_with_its_meaning() {
        let page = verdicts();
        for verdict in Verdict::ALL {
            assert!(page.contains(&format!("| `{verdict}` |")), "{verdict} is missing");
        }
        assert!(page.contains("Ran within every limit, exit code 0, output differs."));
    }

    #[test]
    fn the_languages_page_has_every_built_in_language() {
        let page = languages();
        let languages = Languages::built_in().expect("they are right");
        assert!(languages.names().all(|name| page.contains(&code(name))));
    }

    #[test]
    fn pages_end_with_one_line_end_and_have_no_trailing_blanks() {
        for page in [configuration(), verdicts(), languages(), metrics()] {
            assert!(page.ends_with('\n') && !page.ends_with("\n\n"));
            assert!(page.lines().all(|line| line.trim_end() == line), "a line has trailing blanks");
            assert!(!page.contains("\n\n\n"), "there are two blank lines together");
        }
    }

    #[test]
    fn a_bar_in_a_cell_does_not_end_it() {
        assert_eq!(table(&["a"], [vec!["x|y".to_owned()]]), "| a |\n| --- |\n| x\\|y |\n\n");
    }
}
