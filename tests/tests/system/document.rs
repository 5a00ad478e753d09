//! Documents that a test writes, and that a test fails on when they no longer say what is.

use std::fs;
use std::path::Path;
use std::sync::{Mutex, PoisonError};

/// Compares what stands between `<!-- NAME -->` and `<!-- /NAME -->` in a file of `docs/` with what was found. With
/// `UPDATE_DOCS=1` in the environment it is written instead.
pub(crate) fn check(file: &str, name: &str, found: &str) {
    static WRITING: Mutex<()> = Mutex::new(());
    let _writing = WRITING.lock().unwrap_or_else(PoisonError::into_inner);
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs").join(file);
    let text = fs::read_to_string(&path).unwrap();
    let (begin, end) = (format!("<!-- {name} -->\n"), format!("<!-- /{name} -->"));
    let (head, rest) = text.split_once(&begin).unwrap();
    let (stands, tail) = rest.split_once(&end).unwrap();
    if std::env::var_os("UPDATE_DOCS").is_some() {
        fs::write(&path, format!("{head}{begin}\n{found}\n{end}{tail}")).unwrap();
    } else {
        let differing = found.lines().filter(|line| !stands.lines().any(|stands| stands == *line)).collect::<Vec<_>>().join("\n");
        assert!(
            stands.trim() == found.trim(),
            "docs/{file} says otherwise; see why, and if it is well run UPDATE_DOCS=1 cargo test -p turquoise-tests. New:\n{differing}"
        );
    }
}
