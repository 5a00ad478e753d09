//! The core depends on nothing: not on another crate, and not on the standard library.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

#[test]
fn its_manifest_names_no_dependency() {
    let manifest = include_str!("../Cargo.toml");
    let sections = manifest.split("\n[").filter_map(|section| section.split_once(']'));
    for (name, body) in sections {
        let needs = name.contains("dependencies") && !name.contains("dev-dependencies");
        let entries: Vec<_> = body.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#')).collect();
        assert!(!needs || name == "dependencies" && entries.is_empty(), "[{name}] has {entries:?}");
    }
    assert!(manifest.contains("\n[dependencies]\n"), "the section was not looked at");
}

/// A program without the standard library brings its own panic handler: were the core to link the standard library, there
/// would be two.
#[test]
fn it_builds_where_there_is_no_standard_library() {
    let built = build_probe(&[]);
    assert!(built.status.success(), "{}", String::from_utf8_lossy(&built.stderr));
}

#[test]
fn a_program_that_links_the_standard_library_would_be_refused() {
    let refused = build_probe(&["--features", "with-std"]);
    let message = String::from_utf8_lossy(&refused.stderr);
    assert!(!refused.status.success() && message.contains("panic_impl"), "{message}");
}

fn build_probe(more: &[&str]) -> Output {
    let manifest = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/no_std_probe/Cargo.toml");
    let target = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("no_std_probe");
    Command::new(env!("CARGO"))
        .args(["build", "--offline", "--locked", "--quiet", "--color=never", "--manifest-path"])
        .arg(manifest)
        .arg("--target-dir")
        .arg(target)
        .args(more)
        .output()
        .expect("cargo runs")
}
