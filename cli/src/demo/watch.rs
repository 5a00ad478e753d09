//! Whether the server serves, while the story is told.

use std::time::Duration;

use super::trouble::Trouble;

/// How often it is asked.
const WATCH: Duration = Duration::from_millis(500);

/// Does not end while it serves.
pub(crate) async fn watch(address: &str, check: impl AsyncFn() -> Result<(), String>) -> Trouble {
    loop {
        tokio::time::sleep(WATCH).await;
        if let Err(why) = check().await {
            return Trouble::Provider(format!("the server at {address} no longer serves: {why}"));
        }
    }
}
