//! Paths of files: relative, and never out of the directory they are meant for.

use std::collections::HashSet;

use super::Rejection;

/// Components of one path.
const MAX_COMPONENTS: usize = 8;
/// Bytes of one component; the kernel's own bound.
const MAX_COMPONENT_BYTES: usize = 255;

/// # Errors
/// What is wrong with the path, worded to follow its name.
pub(super) fn check(path: &str) -> Result<(), String> {
    if path.is_empty() {
        return Err("must not be empty".to_owned());
    }
    if path.starts_with('/') {
        return Err("must be relative".to_owned());
    }
    if path.chars().any(char::is_control) {
        return Err("must not have control characters".to_owned());
    }
    for (index, component) in path.split('/').enumerate() {
        if index == MAX_COMPONENTS {
            return Err(format!("must have at most {MAX_COMPONENTS} components"));
        }
        match component {
            "" => return Err("must not have an empty component".to_owned()),
            "." | ".." => return Err(format!("must not have the component {component}")),
            _ if component.len() > MAX_COMPONENT_BYTES => {
                return Err(format!("must have components of at most {MAX_COMPONENT_BYTES} bytes"));
            }
            _ => {}
        }
    }
    Ok(())
}

/// Refuses a path that comes twice, or that is a file for one entry and a directory for another.
///
/// # Errors
/// A [`Rejection`] that names the later of the two entries.
pub(super) fn check_together<'a>(paths: impl Iterator<Item = &'a str> + Clone) -> Result<(), Rejection> {
    let refuse = |index: usize, reason: &str| Err(Rejection::new(format!("files[{index}].path"), reason));
    let mut files = HashSet::new();
    let mut directories = HashSet::new();
    for (index, path) in paths.enumerate() {
        if directories.contains(path) {
            return refuse(index, "is a directory in another file's path");
        }
        for (slash, _) in path.match_indices('/') {
            if files.contains(&path[..slash]) {
                return refuse(index, "has another file's path as a directory");
            }
            directories.insert(&path[..slash]);
        }
        if !files.insert(path) {
            return refuse(index, "is given twice");
        }
    }
    Ok(())
}
