//! Rotations on request, as an example wants them: else they come by themselves, as the policy says.

use std::error::Error;

use tokio::sync::broadcast::Receiver;
use turquoise::core::{PhaseKind, Step};
use turquoise::{Identity, Progress};

pub(crate) type Fault = Box<dyn Error + Send + Sync>;

/// Rotates so often, one after the other. A candidate that is abandoned is an error.
pub(crate) async fn rotate(identity: &Identity, times: u64) -> Result<(), Fault> {
    let mut progress = identity.progress();
    while identity.status().phase != PhaseKind::Steady {
        if let Progress::Recorded(recorded) = progress.recv().await?
            && recorded.phase.kind() == PhaseKind::Steady
        {
            break;
        }
    }
    for _ in 0..times {
        identity.rotate().await?;
        rotated(&mut progress).await?;
    }
    Ok(())
}

/// Waits for the end of a round, and that it was promoted.
async fn rotated(progress: &mut Receiver<Progress>) -> Result<(), Fault> {
    let mut promoted = false;
    loop {
        let Progress::Recorded(recorded) = progress.recv().await? else { continue };
        match recorded.record.step {
            Step::Promoted { .. } => promoted = true,
            Step::Cleared if promoted => return Ok(()),
            Step::Cleared => return Err(format!("the candidate was abandoned: {:?}", recorded.reason).into()),
            _ => {}
        }
    }
}
