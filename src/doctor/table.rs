//! Findings for people.

use std::fmt::Write;

use super::finding::{Area, Finding, Verdict};

/// Columns of the table; what is measured takes the rest of the line.
const VERDICT_WIDTH: usize = 7;
/// Where advice wraps.
const LINE: usize = 116;

/// The findings as a table by area, each one's advice below it, and the summary line. `colour` is for terminals.
pub fn render(findings: &[Finding], colour: bool) -> String {
    let mut out = String::new();
    let width = findings.iter().map(|finding| finding.promise.chars().count()).max().unwrap_or(0);
    for area in Area::ALL {
        let of_area: Vec<&Finding> = findings.iter().filter(|finding| finding.area == area).collect();
        if of_area.is_empty() {
            continue;
        }
        let _ = writeln!(out, "{}", paint(area.name(), BOLD, colour));
        for finding in of_area {
            row(&mut out, finding, width, colour);
        }
        out.push('\n');
    }
    out.push_str(&summary(findings));
    out.push('\n');
    out
}

/// `31 good, 2 notes, 1 warning, nothing broken`.
pub fn summary(findings: &[Finding]) -> String {
    let count = |verdict| findings.iter().filter(|finding| finding.verdict == verdict).count();
    let plural = |count: usize, word: &str| match count {
        0 => format!("no {word}s"),
        1 => format!("1 {word}"),
        _ => format!("{count} {word}s"),
    };
    let broken = match count(Verdict::Broken) {
        0 => "nothing broken".to_owned(),
        count => format!("{count} BROKEN"),
    };
    let (notes, warnings) = (plural(count(Verdict::Note), "note"), plural(count(Verdict::Warning), "warning"));
    format!("{} good, {notes}, {warnings}, {broken}", count(Verdict::Good))
}

fn row(out: &mut String, finding: &Finding, width: usize, colour: bool) {
    let verdict = format!("{:VERDICT_WIDTH$}", finding.verdict.name());
    let verdict = paint(&verdict, shade(finding.verdict), colour);
    let _ = writeln!(out, "  {verdict}  {:width$}  {}", finding.promise, finding.measured);
    let indent = 2 + VERDICT_WIDTH + 2;
    for (index, line) in wrap(finding.advice.as_deref().unwrap_or_default(), LINE - indent - 2).iter().enumerate() {
        let mark = if index == 0 { "→" } else { " " };
        let _ = writeln!(out, "{:indent$}{mark} {line}", "");
    }
}

/// Words in lines of at most `width` letters, where no word is longer.
fn wrap(text: &str, width: usize) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    for word in text.split_whitespace() {
        match lines.last_mut() {
            Some(line) if line.chars().count() + 1 + word.chars().count() <= width => {
                line.push(' ');
                line.push_str(word);
            }
            _ => lines.push(word.to_owned()),
        }
    }
    lines
}

// SGR sequences (ECMA-48, 8.3.117).
const BOLD: &str = "1";

fn shade(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::Good => "32",
        Verdict::Note => "36",
        Verdict::Warning => "33",
        Verdict::Broken => "31;1",
    }
}

fn paint(text: &str, shade: &str, colour: bool) -> String {
    if colour { format!("\x1b[{shade}m{text}\x1b[0m") } else { text.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::doctor::finding::Check;

    const ROOT: Check = Check::new(Area::Sandbox, "sandbox.root", "the root file system is read-only");
    const REACHABLE: Check = Check::new(Area::Engine, "engine.reachable", "the engine answers");

    #[test]
    fn areas_come_in_their_order_and_advice_below_its_finding() {
        let findings = [
            ROOT.broken("rw", "set it read-only, or a program's traces outlive its test and one job's files are there for the next one to find, which no program may rely on"),
            REACHABLE.good("Docker 28.2.2"),
        ];
        insta::assert_snapshot!(render(&findings, false), @r"
        engine
          good     the engine answers                 Docker 28.2.2

        sandbox
          broken   the root file system is read-only  rw
                   → set it read-only, or a program's traces outlive its test and one job's files are there for the next one
                     to find, which no program may rely on

        1 good, no notes, no warnings, 1 BROKEN
        ");
        assert!(render(&findings, true).contains("\x1b[31;1mbroken \x1b[0m"));
    }
}
