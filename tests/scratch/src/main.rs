//! Rotates the token of a role once: `scratch ADDRESS ROLE TOKEN_FILE FOLDER`.

use std::error::Error;
use std::path::PathBuf;
use std::time::Duration;

use turquoise::core::{AtStop, Consumers, StepKind};
use turquoise::journal::FileJournal;
use turquoise::sink::{FileSink, Mode};
use turquoise::vault::{Role, TokenConfig, TokenProvider, Upstream};
use turquoise::{Identity, Progress, Setup, tokio};

#[tokio::main(crate = "turquoise::tokio", flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error>> {
    let mut args = std::env::args().skip(1);
    let mut next = || args.next().ok_or("usage: scratch ADDRESS ROLE TOKEN_FILE FOLDER");
    let (address, role, token_file, folder) = (next()?, next()?, next()?, PathBuf::from(next()?));

    let config = TokenConfig::new(Upstream::new([address.parse()?]), role.parse::<Role>()?, token_file);
    let opened = FileJournal::open(&folder.join("journal"))?;
    let store = FileSink::open(&folder.join("token"), Mode::PRIVATE)?;
    let mut setup = Setup::new(TokenProvider::new(config)?, opened.journal, opened.history, store)?;
    setup.policy.consumers = Consumers::Counted;
    let identity = Identity::start(setup).await?;

    let mut progress = identity.progress();
    loop {
        let Progress::Recorded(recorded) = progress.recv().await? else { continue };
        match recorded.record.step.kind() {
            StepKind::Ready => identity.rotate().await?,
            StepKind::AbandonIntent => return Err(format!("abandoned: {:?}", recorded.reason).into()),
            StepKind::Cleared => break,
            _ => {}
        }
    }
    identity.shutdown(AtStop::Keep, Duration::from_secs(30)).await?;
    Ok(())
}
