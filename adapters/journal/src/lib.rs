//! The crash-recovery journal: an append-only file of JSON lines.
