//! The two-slot sink: where secrets outlive the process and where readers find them.
