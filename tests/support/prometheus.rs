//! A strict reader of the Prometheus text format 0.0.4: what isn't by the letter ends the test. It checks more than a
//! scraper would: each family once, described before its samples, with names and types that fit each other, and
//! histograms whose buckets add up.

use std::collections::{BTreeMap, BTreeSet};

/// Labels by name.
pub(crate) type Labels = BTreeMap<String, String>;

#[derive(Debug, Default)]
pub(crate) struct Page {
    /// Type and samples of each family.
    pub(crate) families: BTreeMap<String, Family>,
}

#[derive(Debug)]
pub(crate) struct Family {
    pub(crate) kind: String,
    pub(crate) samples: Vec<(String, Labels, f64)>,
}

impl Page {
    pub(crate) fn read(text: &str) -> Page {
        assert!(
            text.ends_with('\n') && !text.contains('\r'),
            "the last line has no end, or there are carriage returns"
        );
        let mut page = Page::default();
        let mut current: Option<String> = None;
        let mut helped: BTreeSet<String> = BTreeSet::new();
        for line in text.lines() {
            if let Some(rest) = line.strip_prefix("# HELP ") {
                let (name, help) = rest.split_once(' ').unwrap_or_else(|| panic!("a help without text: {line}"));
                assert!(is_name(name) && !help.is_empty(), "{line}");
                assert!(helped.insert(name.to_owned()), "{name} is described twice");
                current = None;
            } else if let Some(rest) = line.strip_prefix("# TYPE ") {
                let (name, kind) = rest.split_once(' ').unwrap_or_else(|| panic!("a type without a word: {line}"));
                assert!(["counter", "gauge", "histogram"].contains(&kind), "{line}");
                assert!(helped.contains(name), "{name} has a type and no description");
                assert_eq!(name.ends_with("_total"), kind == "counter", "{line}");
                let family = Family { kind: kind.to_owned(), samples: Vec::new() };
                assert!(page.families.insert(name.to_owned(), family).is_none(), "{name} is there twice");
                current = Some(name.to_owned());
            } else {
                assert!(!line.starts_with('#') && !line.is_empty(), "{line:?} is neither a description nor a sample");
                let family = current.as_ref().unwrap_or_else(|| panic!("a sample without a family: {line}"));
                let sample = sample(line);
                page.families.get_mut(family).expect("it was just made").add(family, sample, line);
            }
        }
        for (name, family) in &page.families {
            assert!(!family.samples.is_empty(), "{name} has no sample");
            family.check(name);
        }
        page
    }

    /// The value of a sample, with these labels and no others.
    pub(crate) fn value(&self, name: &str, labels: &[(&str, &str)]) -> Option<f64> {
        let labels: Labels = labels.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        let samples = self.families.values().flat_map(|family| &family.samples);
        samples.into_iter().find(|(it, its, _)| it == name && *its == labels).map(|(.., value)| *value)
    }

    /// All samples of a name together.
    pub(crate) fn sum(&self, name: &str) -> f64 {
        let samples = self.families.values().flat_map(|family| &family.samples);
        samples.filter(|(it, ..)| it == name).map(|(.., value)| value).sum()
    }
}

impl Family {
    fn add(&mut self, family: &str, (name, labels, value): (String, Labels, f64), line: &str) {
        let rest = name.strip_prefix(family).unwrap_or_else(|| panic!("{line} isn't of {family}"));
        let allowed: &[&str] = if self.kind == "histogram" { &["_bucket", "_sum", "_count"] } else { &[""] };
        assert!(allowed.contains(&rest), "{line} isn't of {family}");
        assert_eq!(labels.contains_key("le"), rest == "_bucket", "{line}");
        if self.kind != "gauge" {
            assert!(value >= 0.0, "{line}");
        }
        let is_new = self.samples.iter().all(|(it, its, _)| *it != name || *its != labels);
        assert!(is_new, "{line} is there twice");
        self.samples.push((name, labels, value));
    }

    /// Buckets only grow, end with +Inf, and that is the count.
    fn check(&self, name: &str) {
        if self.kind != "histogram" {
            return;
        }
        let mut series: BTreeMap<Labels, Vec<(f64, f64)>> = BTreeMap::new();
        for (_, labels, value) in self.samples.iter().filter(|(it, ..)| it.ends_with("_bucket")) {
            let mut labels = labels.clone();
            let end = number(&labels.remove("le").expect("checked before"));
            series.entry(labels).or_default().push((end, *value));
        }
        assert!(!series.is_empty(), "{name} has no buckets");
        for (labels, buckets) in series {
            assert!(buckets.is_sorted_by(|a, b| a.0 < b.0 && a.1 <= b.1), "{name}{labels:?}: {buckets:?}");
            let (last, all) = *buckets.last().expect("there is one");
            let of = |suffix: &str| {
                let wanted = format!("{name}{suffix}");
                self.samples.iter().find(|(it, its, _)| *it == wanted && *its == labels).map(|(.., value)| *value)
            };
            assert!(last.is_infinite() && of("_count") == Some(all) && of("_sum").is_some(), "{name}{labels:?}");
        }
    }
}

fn is_name(name: &str) -> bool {
    let first = |byte: u8| byte.is_ascii_alphabetic() || byte == b'_' || byte == b':';
    name.bytes().next().is_some_and(first) && name.bytes().all(|byte| first(byte) || byte.is_ascii_digit())
}

fn number(text: &str) -> f64 {
    match text {
        "+Inf" => f64::INFINITY,
        _ => text.parse().unwrap_or_else(|error| panic!("{text:?}: {error}")),
    }
}

/// `name{label="value",…} number`, without a time.
fn sample(line: &str) -> (String, Labels, f64) {
    let (head, value) = line.rsplit_once(' ').unwrap_or_else(|| panic!("{line} has no value"));
    let (name, labels) = match head.split_once('{') {
        None => (head, Labels::new()),
        Some((name, rest)) => (name, labels(rest, line)),
    };
    assert!(is_name(name), "{line}");
    (name.to_owned(), labels, number(value))
}

fn labels(text: &str, line: &str) -> Labels {
    let mut labels = Labels::new();
    let mut rest = text;
    loop {
        let (name, after) = rest.split_once("=\"").unwrap_or_else(|| panic!("{line}: a label without a value"));
        assert!(is_name(name) && !name.contains(':') && !name.starts_with("__"), "{line}");
        let mut value = String::new();
        let mut characters = after.char_indices();
        let end = loop {
            match characters.next().unwrap_or_else(|| panic!("{line}: a value without an end")) {
                (at, '"') => break at,
                (_, '\\') => match characters.next().map(|(_, escaped)| escaped) {
                    Some('n') => value.push('\n'),
                    Some(escaped @ ('\\' | '"')) => value.push(escaped),
                    other => panic!("{line}: an escape of {other:?}"),
                },
                (_, other) => value.push(other),
            }
        };
        assert!(labels.insert(name.to_owned(), value).is_none(), "{line}: {name} is there twice");
        rest = &after[end + 1..];
        match rest {
            "}" => return labels,
            _ => rest = rest.strip_prefix(',').unwrap_or_else(|| panic!("{line}: what is {rest:?}?")),
        }
    }
}
