//! Is written right now.
