//! What the README shows is what runs, and as short as it says.

use std::path::Path;

const README: &str = include_str!("../../README.md");

/// An example, without its own documentation and tests.
fn example(text: &str) -> &str {
    let (_, code) = text.split_once("\n\n").unwrap_or_default();
    code.split("\n#[cfg(test)]").next().unwrap_or_default().trim_end()
}

/// Neither empty nor a comment.
fn lines_of_code(text: &str) -> usize {
    text.lines().map(str::trim_start).filter(|line| !line.is_empty() && !line.starts_with("//")).count()
}

#[test]
fn the_program_in_the_readme_is_the_example() {
    let embed = example(include_str!("../examples/embed.rs"));
    assert!(README.contains(&format!("```rust,ignore\n{embed}\n```")), "copy it into the README:\n{embed}");
    assert!(lines_of_code(embed) <= 30, "{} lines", lines_of_code(embed));
}

#[test]
fn a_provider_takes_sixty_lines() {
    let provider = example(include_str!("../examples/own_provider.rs"));
    assert!(provider.contains("impl Provider for Keys"), "{provider}");
    assert!(lines_of_code(provider) <= 60, "{} lines", lines_of_code(provider));
}

#[test]
fn the_examples_that_the_readme_names_are_there() {
    for name in ["embed", "own_provider", "tower"] {
        let path = format!("turquoise/examples/{name}.rs");
        assert!(README.contains(&path) && Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(&path).is_file(), "{path}");
    }
}
