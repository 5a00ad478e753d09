//! Whatever record a process dies at — before it is durable, or when it is and nobody was told — the next one goes on, and dies
//! as well, and the one after that ends with one credential that works; and no consumer was ever refused.

use turquoise_tests::Kind;

use crate::crash::{self, Course};
use crate::document;

#[test]
fn survives_sigkill_at_every_record() {
    let deaths: Vec<_> = crash::courses(Kind::Token, "record").iter().flat_map(Course::at_records).collect();
    document::check("crash-points.md", "records", &crash::table(&crash::all("record", &deaths)));
}

/// Nothing holds the process here: it dies somewhere in what follows from the record.
#[test]
fn survives_sigkill_soon_after_every_record() {
    let deaths: Vec<_> = crash::courses(Kind::Token, "heard").iter().flat_map(Course::on_hearing).collect();
    crash::all("heard", &deaths);
}
