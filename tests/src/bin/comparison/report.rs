//! The table as a document.

use std::fmt::Write as _;
use std::fs;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, SystemTime};

use turquoise_tests::comparison::table;

use crate::scene::Programs;
use crate::{Fault, Outcome};

/// What is told, and of what.
pub(crate) struct Told<'a> {
    pub(crate) outcomes: &'a [Outcome],
    pub(crate) programs: &'a Programs,
    pub(crate) took: Duration,
}

/// One section for each experiment.
pub(crate) fn tables(outcomes: &[Outcome]) -> String {
    let section = |Outcome { experiment, rows }: &Outcome| {
        format!(
            "## {}\n\n{}\n\n{}\n",
            experiment.name,
            experiment.method.split_whitespace().collect::<Vec<_>>().join(" "),
            table(rows)
        )
    };
    outcomes.iter().map(section).collect()
}

/// Replaces the document.
pub(crate) fn write(path: &Path, told: &Told<'_>) -> Result<(), Fault> {
    let mut text = String::from("# Beside `bao agent` and `bao proxy`\n\n<!-- written by the command below: do not edit -->\n\n");
    writeln!(text, "```sh\ncargo run --release -p turquoise-tests --bin comparison\n```\n")?;
    writeln!(
        text,
        "Peer and turquoise from the same configuration file, before the same server with integrated storage and without an audit log, \
         in turns or at once in one run. Of repetitions the middle one is judged, and all are shown; of failures each counts. A target \
         that was missed says so, and the command then exits with 1.\n"
    )?;
    writeln!(
        text,
        "Written on {}, in {} minutes, on {} processors ({}), {}; {}; {}.\n",
        day()?,
        told.took.as_secs() / 60 + 1,
        std::thread::available_parallelism()?,
        processor(),
        version(Path::new("uname"), "-sr"),
        version(told.programs.bao.path(), "version"),
        version(&told.programs.turquoise, "--version"),
    )?;
    text.push_str(&tables(told.outcomes));
    Ok(fs::write(path, text.trim_end().to_owned() + "\n")?)
}

fn day() -> Result<String, Fault> {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH)?.as_secs();
    let shown = Command::new("date").args(["-u", "-d", &format!("@{since}"), "+%F"]).output()?;
    Ok(String::from_utf8_lossy(&shown.stdout).trim().to_owned())
}

fn processor() -> String {
    let told = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model = told.lines().find_map(|line| line.strip_prefix("model name")).and_then(|rest| rest.split_once(':'));
    model.map_or_else(|| "unknown".to_owned(), |(_, name)| name.trim().to_owned())
}

fn version(program: &Path, question: &str) -> String {
    let told = Command::new(program).arg(question).output();
    told.map_or_else(
        |why| why.to_string(),
        |told| String::from_utf8_lossy(&told.stdout).lines().next().unwrap_or_default().to_owned(),
    )
}
