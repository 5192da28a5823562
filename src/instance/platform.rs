//! Whether this machine is an EC2 instance, without asking the network: what isn't there would be waited for in vain.

use std::path::Path;

/// Where the kernel says who made the machine; a container sees it, too.
const SYS: &str = "/sys";

/// The files below [`SYS`], and how their content begins or ends on EC2: Nitro and bare metal, then Xen.
const SIGNS: [(&str, Sign); 4] = [
    ("class/dmi/id/sys_vendor", Sign::Begins("Amazon EC2")),
    ("class/dmi/id/board_vendor", Sign::Begins("Amazon EC2")),
    ("class/dmi/id/bios_version", Sign::Ends("amazon")),
    ("hypervisor/uuid", Sign::Begins("ec2")),
];

enum Sign {
    Begins(&'static str),
    Ends(&'static str),
}

/// Whether to ask a metadata service that nobody spoke of in the configuration. Whoever gives its address or switches it
/// off in the variables that all AWS tools read has said it.
pub(super) fn has_metadata(variable: impl Fn(&str) -> Option<String>) -> bool {
    let is_disabled = variable("AWS_EC2_METADATA_DISABLED").is_some_and(|value| value.eq_ignore_ascii_case("true"));
    let is_given = variable("AWS_EC2_METADATA_SERVICE_ENDPOINT").is_some_and(|value| !value.is_empty());
    !is_disabled && (is_given || is_ec2(Path::new(SYS)))
}

fn is_ec2(sys: &Path) -> bool {
    SIGNS.iter().any(|(file, sign)| {
        let content = std::fs::read_to_string(sys.join(file)).unwrap_or_default().to_ascii_lowercase();
        match sign {
            Sign::Begins(word) => content.trim().starts_with(&word.to_ascii_lowercase()),
            Sign::Ends(word) => content.trim().ends_with(word),
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn machine(files: &[(&str, &str)]) -> tempfile::TempDir {
        let root = tempfile::tempdir().expect("a temporary folder can be made");
        for (file, content) in files {
            let path = root.path().join(file);
            std::fs::create_dir_all(path.parent().expect("it has a folder")).expect("a folder can be made");
            std::fs::write(path, content).expect("a file can be written");
        }
        root
    }

    #[test]
    fn nitro_xen_and_other_machines_are_told_apart() {
        let is = |files: &[(&str, &str)]| is_ec2(machine(files).path());
        assert!(is(&[("class/dmi/id/sys_vendor", "Amazon EC2\n")]));
        assert!(is(&[("hypervisor/uuid", "ec2e1916-9099-7caf-fd21-012345abcdef\n")]));
        assert!(is(&[("class/dmi/id/sys_vendor", "Xen\n"), ("class/dmi/id/bios_version", "4.11.amazon\n")]));
        assert!(!is(&[("class/dmi/id/sys_vendor", "QEMU\n"), ("class/dmi/id/bios_version", "1.16.3\n")]));
        assert!(!is(&[("hypervisor/uuid", "00000000-0000-0000-0000-000000000000\n")]));
        assert!(!is(&[]));
    }

    #[test]
    fn the_variables_of_all_aws_tools_are_heeded() {
        let with = |pairs: &[(&str, &str)]| {
            has_metadata(|name| pairs.iter().find(|(known, _)| *known == name).map(|(_, value)| (*value).to_owned()))
        };
        let endpoint = ("AWS_EC2_METADATA_SERVICE_ENDPOINT", "http://127.0.0.1:1338");
        assert!(with(&[endpoint]));
        assert!(!with(&[endpoint, ("AWS_EC2_METADATA_DISABLED", "TRUE")]));
        assert!(with(&[endpoint, ("AWS_EC2_METADATA_DISABLED", "false")]));
    }
}
