//! The specification for auditors says what is: its tables, its picture and its stories are generated, and held against
//! what generates them.

mod counterexamples;
mod kills;
mod page;
mod text;
