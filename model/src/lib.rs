//! The world around the rotation machine, and everything that explores it.
