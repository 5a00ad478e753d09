//! What the program `comparison` computes with, apart from it so that it can be tested: what is aimed at and whether it was
//! reached, and what the kernel says of a process.

mod figures;
mod process;

pub use figures::{Row, Target, Unit, Values, Verdict, percentile, table};
pub use process::{Malformed, Memory, Spent};
