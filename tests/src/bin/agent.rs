//! A program that embeds the library and can be held at any place, for its parent to kill it there.

use std::alloc::System;
use std::process::ExitCode;

use clap::Parser as _;
use turquoise_tests::agent::{Args, main as live};
use zeroizing_alloc::ZeroAlloc;

/// As in our own program.
#[global_allocator]
static WIPING: ZeroAlloc<System> = ZeroAlloc(System);

fn main() -> ExitCode {
    live(Args::parse())
}
