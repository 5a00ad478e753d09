//! Whatever call to the provider or the survivor store a process dies at — before it is made, or when it has returned and
//! nobody was told — the next one goes on, and dies as well, and the one after that ends with one credential that works.

use turquoise_tests::Kind;

use crate::crash::{self, Course};
use crate::document;

#[test]
fn survives_sigkill_around_every_call() {
    let deaths: Vec<_> = crash::courses(Kind::Token, "call").iter().flat_map(Course::at_calls).collect();
    document::check("crash-points.md", "calls", &crash::table(&crash::all("call", &deaths)));
}
