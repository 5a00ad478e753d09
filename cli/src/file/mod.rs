//! The configuration file: that of `bao agent`, with stanzas of ours that the agent passes over.

pub(crate) mod keys;
mod plan;
mod schedule;
mod settle;
mod shadow;
mod source;
mod syntax;
mod tree;
mod value;
mod walk;

use std::path::Path;

pub(crate) use plan::{Container, Log, Origin, Plan, Program, Provider, Proxied, Rotation, Setting, Survivor, Watched};
pub(crate) use schedule::{Due, Schedule};
pub(crate) use source::{ReadError, Remark, Source};
pub(crate) use tree::{Item, Table};
pub(crate) use value::span;
pub(crate) use walk::Remarks;

/// A file that was looked at.
pub(crate) struct Checked {
    pub(crate) source: Source,
    pub(crate) remarks: Remarks,
    /// What stands in it, if it can be read.
    pub(crate) table: Option<Table>,
    /// What it comes to, if there are no faults.
    pub(crate) plan: Option<Plan>,
}

/// Reads a file and says all that there is to say of it. Nothing but the file is read, and nothing is written.
pub(crate) fn check(path: &Path) -> Result<Checked, ReadError> {
    Ok(examine(Source::read(path)?))
}

/// Says all that there is to say of a text.
pub(crate) fn examine(source: Source) -> Checked {
    let mut table = match syntax::parse(&source) {
        Ok(table) => table,
        Err(fault) => {
            let remarks = Remarks { faults: vec![fault], notices: Vec::new() };
            return Checked { source, remarks, table: None, plan: None };
        }
    };
    let mut remarks = walk::walk(&source, &mut table);
    let is_known = remarks.faults.is_empty();
    let environment = |name: &str| std::env::var(name).ok();
    let plan = if is_known { settle::settle(&source, &table, &environment, &mut remarks) } else { None };
    remarks.sort();
    Checked { source, remarks, table: Some(table), plan }
}
