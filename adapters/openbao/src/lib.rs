//! A real OpenBao server of one's own: fetched, started, stopped.
