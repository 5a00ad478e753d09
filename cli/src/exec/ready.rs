//! Whether a new child can take over.

use std::process::Stdio;
use std::time::Duration;

use rustix::process::Pid;
use tokio::process::Command;
use tokio::time::sleep;

use super::Ready;

/// How long to wait between one asking and the next.
const PACE: Duration = Duration::from_millis(200);
/// Where the question finds whom it is about.
const CHILD: &str = "TURQUOISE_CHILD_PID";

/// Asks until the answer is yes. It gives no values to the program that answers: who asks need not know them.
pub(crate) async fn is_ready(ready: &Ready, child: Pid) {
    loop {
        match ask(ready, child).await {
            Ok(true) => return,
            Ok(false) => {}
            Err(why) => tracing::warn!(%why, command = ready.command.first(), "whether the child is ready cannot be asked"),
        }
        sleep(PACE).await;
    }
}

async fn ask(ready: &Ready, child: Pid) -> std::io::Result<bool> {
    let Some((program, args)) = ready.command.split_first() else { return Ok(true) };
    let mut command = Command::new(program);
    command.args(args).env(CHILD, child.to_string()).kill_on_drop(true);
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    Ok(command.status().await?.success())
}
