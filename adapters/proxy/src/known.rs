//! Which tokens are ours, without keeping any: those of the last generations, by digest and by name.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};

use sha2::{Digest as _, Sha256};
use subtle::ConstantTimeEq as _;
use turquoise_runtime::Guard;
use turquoise_runtime::core::Mint;
use turquoise_runtime::memory::ExposeSecret as _;

/// The current one, a candidate or a retiring one, and one more for what comes late.
const GENERATIONS: usize = 3;

/// The generations that requests were sent with lately.
#[derive(Default)]
pub(crate) struct Known {
    /// Which was sent with last; 0 for none.
    last: AtomicU64,
    all: Mutex<VecDeque<One>>,
}

struct One {
    mint: Mint,
    accessor: String,
    digest: [u8; 32],
}

impl Known {
    /// A request is sent with this one.
    pub(crate) fn learn(&self, guard: &Guard) {
        let mint = guard.mint();
        let number = u64::from(mint.generation.number) + 1;
        if self.last.swap(number, Ordering::Relaxed) == number {
            return;
        }
        let mut all = self.all.lock().unwrap_or_else(PoisonError::into_inner);
        if all.iter().any(|one| one.mint == mint) {
            return;
        }
        if all.len() == GENERATIONS {
            all.pop_front();
        }
        let digest = digest(guard.secret().expose_secret().as_bytes());
        all.push_back(One { mint, accessor: guard.handle().0.clone(), digest });
    }

    /// Whether this is a token of ours.
    pub(crate) fn is_token(&self, token: &[u8]) -> bool {
        let digest = digest(token);
        self.all.lock().unwrap_or_else(PoisonError::into_inner).iter().any(|one| one.digest.ct_eq(&digest).into())
    }

    /// Whether this names a token of ours.
    pub(crate) fn is_accessor(&self, accessor: &str) -> bool {
        self.all.lock().unwrap_or_else(PoisonError::into_inner).iter().any(|one| one.accessor == accessor)
    }
}

fn digest(token: &[u8]) -> [u8; 32] {
    Sha256::digest(token).into()
}
