//! What a probe printed: one `key value` a line, keys in any order and more than once.

/// The facts of one probe.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Facts(Vec<(String, String)>);

impl Facts {
    /// Takes every line that has a key; what a later agent says more is no error.
    pub fn parse(text: &str) -> Facts {
        Facts(
            text.lines()
                .filter_map(|line| line.split_once(' '))
                .map(|(key, value)| (key.to_owned(), value.to_owned()))
                .collect(),
        )
    }

    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The only value of a key, or its first.
    pub fn one(&self, key: &str) -> Option<&str> {
        self.0.iter().find(|(it, _)| it == key).map(|(_, value)| value.as_str())
    }

    /// Every value of a key.
    pub fn all<'a>(&'a self, key: &'a str) -> impl Iterator<Item = &'a str> {
        self.0.iter().filter(move |(it, _)| it == key).map(|(_, value)| value.as_str())
    }

    /// Every key that begins so, without the beginning, and its value.
    pub fn group<'a>(&'a self, prefix: &'a str) -> impl Iterator<Item = (&'a str, &'a str)> {
        self.0.iter().filter_map(move |(key, value)| Some((key.strip_prefix(prefix)?, value.as_str())))
    }

    pub fn number(&self, key: &str) -> Option<u64> {
        self.one(key)?.parse().ok()
    }
}

/// A mount as the probe saw it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Mount<'a> {
    pub target: &'a str,
    pub kind: &'a str,
    options: &'a str,
    /// Of the whole file system; 0 where it has no such bound.
    pub bytes: u64,
    pub inodes: u64,
    /// What came of creating a file there.
    created: &'a str,
}

impl<'a> Mount<'a> {
    pub fn parse(value: &'a str) -> Option<Mount<'a>> {
        let mut words = value.splitn(6, ' ');
        Some(Mount {
            target: words.next()?,
            kind: words.next()?,
            options: words.next()?,
            bytes: words.next()?.parse().ok()?,
            inodes: words.next()?.parse().ok()?,
            created: words.next()?,
        })
    }

    pub fn has(&self, option: &str) -> bool {
        self.options.split(',').any(|it| it == option)
    }

    /// Whether the program could make a file there.
    pub fn is_writable(&self) -> bool {
        self.created == "allowed"
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_may_repeat_and_lines_without_one_are_passed_over() {
        let facts = Facts::parse("kernel 6.18\ninterface lo\ninterface eth0\nnonsense\n\nself.Groups \n");
        assert_eq!(facts.one("kernel"), Some("6.18"));
        assert_eq!(facts.all("interface").collect::<Vec<_>>(), ["lo", "eth0"]);
        assert_eq!(facts.one("self.Groups"), Some(""));
        assert_eq!(facts.group("self.").collect::<Vec<_>>(), [("Groups", "")]);
        assert_eq!(facts.one("nonsense"), None);
    }

    #[test]
    fn a_mount_is_read_with_its_options_and_its_size() {
        let mount = Mount::parse("/tmp tmpfs rw,nosuid,nodev 16777216 16384 allowed").expect("it is a mount");
        assert!(mount.has("nosuid") && !mount.has("no") && mount.is_writable());
        assert_eq!((mount.target, mount.bytes, mount.inodes), ("/tmp", 16_777_216, 16_384));
        assert!(!Mount::parse("/ overlay ro 1 1 refused EROFS").expect("it is a mount").is_writable());
        assert_eq!(Mount::parse("/ overlay ro"), None);
    }
}
