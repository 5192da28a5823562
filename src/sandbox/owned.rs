//! Which containers somebody in this process still answers for: from before the create call until they are gone.
//!
//! The sweep goes by it, so that it never takes a container of this worker's own that is in use or on its way.

use std::collections::HashSet;
use std::sync::{Arc, Mutex, PoisonError};

#[derive(Debug, Clone, Default)]
pub(crate) struct Owned(Arc<Mutex<HashSet<String>>>);

/// As long as it lives, the container of this name is somebody's.
#[derive(Debug)]
pub(crate) struct Ownership {
    name: String,
    /// Whether the engine keeps the container when it has ended, until somebody removes it.
    stays: bool,
    of: Owned,
}

impl Owned {
    /// A name that no other container has or ever had.
    pub(crate) fn new_name(&self, stays: bool) -> Ownership {
        let name = format!("caisson-{}", uuid::Uuid::new_v4().simple());
        self.lock().insert(name.clone());
        Ownership { name, stays, of: self.clone() }
    }

    pub(crate) fn has(&self, name: &str) -> bool {
        self.lock().contains(name)
    }

    /// Each change is one insertion or removal, so the set stays whole when somebody panics.
    fn lock(&self) -> std::sync::MutexGuard<'_, HashSet<String>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Ownership {
    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    /// Whether the engine keeps the container when it has ended, until somebody removes it.
    pub(crate) fn stays(&self) -> bool {
        self.stays
    }
}

impl Drop for Ownership {
    fn drop(&mut self) {
        self.of.lock().remove(&self.name);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_container_is_owned_for_as_long_as_somebody_answers_for_it() {
        let owned = Owned::default();
        let (first, second) = (owned.new_name(false), owned.new_name(true));
        assert_ne!(first.name(), second.name());
        let name = first.name().to_owned();
        assert!(owned.has(&name));
        drop(first);
        assert!(!owned.has(&name) && owned.has(second.name()));
    }
}
