//! The handle that work takes its credential from, and the driver's switch.
//!
//! What is lock-free, and why no idleness is lost and nothing is acquired after it, is in `post.rs`; what serves, what is on
//! trial and what was retired, in `board.rs`. Here is the face that work sees, and what waits: no future is needed to take a
//! credential.
//!
//! # When a secret is wiped
//!
//! With the last of these: the guards that hold its generation; the driver's own memory, which forgets it when a durable
//! record says that the phase no longer mentions it; a call to the provider that is under way with it. Handles, whatever
//! their number and age, keep no secret.
//!
//! # What is not lock-free
//!
//! The drop of the last guard of a retired credential wakes the driver, once for each retirement, and so does a report: tokio's
//! [`Notify`] then takes a short lock of its own, if the driver waits at that moment.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use tokio::sync::{Notify, watch};
use tokio::time::Instant;
use turquoise_core::{Generation, Mint, Verdict};
use turquoise_memory::Secret;

use crate::board::{Board, Side, Tried};
use crate::inbox::{Inbox, Note};
use crate::port::{Credential, Handle, Holders};
use crate::post::Lane;
pub use crate::post::NotReady;

/// Gives new work the credential that serves. Cheap to clone; all clones see the same.
#[derive(Clone)]
pub struct Credentials {
    shared: Arc<Shared>,
    /// Whether there is one, and by its version whether it is another than before.
    serving: watch::Receiver<Result<(), NotReady>>,
    name: usize,
}

/// A credential in use: pinned to its generation, and counted until dropped. Hold it as long as work depends on it, leases
/// and children made with it included.
pub struct Guard {
    lane: Arc<Lane>,
    name: usize,
    pending: Option<Pending>,
}

/// How work on a credential went: see [`Guard::report`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Report {
    /// It was served; the time from the acquisition until now is what it took.
    Ok,
    /// It was refused with the candidate, *and the same request then succeeded with the current credential*. A refusal that
    /// the current one meets too says nothing about the candidate: do not report it.
    Refused,
    /// It took longer than it may.
    Slow,
}

/// What a guard of a trial remembers until it is reported on.
struct Pending {
    shared: Arc<Shared>,
    tried: Tried,
    since: Instant,
}

struct Shared {
    board: Board,
    inbox: Inbox,
    reported: Notify,
    doubted: watch::Sender<Option<Mint>>,
}

impl Credentials {
    /// The credential that new work is to use. Never waits and takes no lock, and allocates nothing.
    ///
    /// # Errors
    ///
    /// There is none: see [`ready`](Self::ready).
    pub fn acquire(&self) -> Result<Guard, NotReady> {
        Ok(self.guard(self.shared.board.take()?, None))
    }

    /// As [`acquire`](Self::acquire), for work that can be done again: while a candidate is being tried, a share of these
    /// calls, which the policy sets and which is spread evenly over them, is given the candidate.
    ///
    /// Whoever is refused with a candidate ([`Guard::is_candidate`]) does the same again with [`acquire`](Self::acquire), and
    /// if that succeeds reports [`Report::Refused`] on the first guard.
    ///
    /// # Errors
    ///
    /// As for [`acquire`](Self::acquire).
    pub fn acquire_canary(&self) -> Result<Guard, NotReady> {
        let (lane, tried) = self.shared.board.take_in_trial()?;
        let pending = tried.map(|tried| Pending { shared: Arc::clone(&self.shared), tried, since: Instant::now() });
        Ok(self.guard(lane, pending))
    }

    fn guard(&self, lane: Arc<Lane>, pending: Option<Pending>) -> Guard {
        if self.name != 0 {
            lane.named[self.name].fetch_add(1, Ordering::Relaxed);
        }
        Guard { lane, name: self.name, pending }
    }

    /// A handle whose work has a name: if it outlives the grace of a credential, the log and the journal say so by this name
    /// and in which number. The name is no secret and is kept as long as the identity, its first 64 characters, that is.
    /// Fifteen names are told apart; work with further ones counts as without a name.
    #[must_use]
    pub fn named(&self, name: &str) -> Self {
        Self { name: self.shared.board.name(name), ..self.clone() }
    }

    /// Waits until there is a credential. Cancel safe: nothing is lost when the future is dropped.
    ///
    /// # Errors
    ///
    /// [`NotReady::Closing`] and [`NotReady::Stopped`]: there is none to wait for.
    pub async fn ready(&self) -> Result<(), NotReady> {
        let mut serving = self.serving.clone();
        let settled = serving.wait_for(|serving| !may_come(*serving)).await;
        *settled.map_err(|_| NotReady::Stopped)?
    }

    /// Waits until another credential serves than when this handle was made or last returned from here.
    /// Cancel safe: a switch that comes meanwhile is told by the next call.
    ///
    /// # Errors
    ///
    /// [`NotReady::Closing`] and [`NotReady::Stopped`]: there is no further switch to wait for.
    pub async fn changed(&mut self) -> Result<(), NotReady> {
        loop {
            self.serving.changed().await.map_err(|_| NotReady::Stopped)?;
            let serving = *self.serving.borrow_and_update();
            if !may_come(serving) {
                return serving;
            }
        }
    }

    /// Says that the provider refused this credential, on work *and* when it was then asked about the credential itself. If it is
    /// the one that serves, it is rotated at once, if that may begin now; until another one serves, it does. Without effect on any
    /// other credential, and while a rotation is under way.
    ///
    /// Not for a refusal that may be the work's own: whoever says so without having asked has the provider mint for nothing.
    pub fn doubt(&self, mint: Mint) {
        self.shared.doubted.send_replace(Some(mint));
    }

    /// How much work holds a generation.
    pub(crate) fn held(&self, generation: Generation) -> usize {
        self.shared.board.held(generation)
    }
}

/// Whether there is none now, but may be later.
fn may_come(serving: Result<(), NotReady>) -> bool {
    matches!(serving, Err(NotReady::Vacant | NotReady::Expired))
}

impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Credentials").field(&self.shared.board.serving()).finish()
    }
}

impl Guard {
    /// The secret. It stays readable as long as the guard lives, whatever is rotated meanwhile.
    #[must_use]
    pub fn secret(&self) -> &Secret {
        &self.lane.slot.credential.secret
    }

    /// What names it at its provider, and is no secret: the id that belongs to an access key.
    #[must_use]
    pub fn handle(&self) -> &Handle {
        &self.lane.slot.credential.handle
    }

    /// Which credential this is.
    #[must_use]
    pub fn mint(&self) -> Mint {
        self.lane.slot.credential.mint
    }

    /// Whether this is a candidate on trial: a refusal is then to be followed by the same request with the current one.
    #[must_use]
    pub fn is_candidate(&self) -> bool {
        self.pending.as_ref().is_some_and(|pending| pending.tried.side == Side::Candidate)
    }

    /// Says how the work went, for the trial that [`acquire_canary`](Credentials::acquire_canary) took it for; the current one
    /// is what the candidate is compared with. Without effect on any other guard, after a first report, and when the trial is
    /// over. Never waits and allocates nothing; what comes faster than the driver takes it in is dropped, and counted.
    pub fn report(&mut self, report: Report) {
        let Some(Pending { shared, tried, since }) = self.pending.take() else { return };
        let verdict = match report {
            Report::Ok => Verdict::Served { took: since.elapsed() },
            Report::Refused => Verdict::Refused,
            Report::Slow => Verdict::Slow,
        };
        shared.inbox.put(Note { tried, verdict });
        shared.reported.notify_one();
    }
}

impl fmt::Debug for Guard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Guard").field(&self.mint()).finish()
    }
}

impl Drop for Guard {
    fn drop(&mut self) {
        if self.name != 0 {
            self.lane.named[self.name].fetch_sub(1, Ordering::Relaxed);
        }
    }
}

/// What a report says about a generation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Sample {
    pub(crate) generation: Generation,
    pub(crate) verdict: Verdict,
}

/// The driver's side: it alone switches. When it goes, the handles say [`NotReady::Stopped`].
pub(crate) struct Switch {
    shared: Arc<Shared>,
    serving: watch::Sender<Result<(), NotReady>>,
}

impl Switch {
    pub(crate) fn new() -> Self {
        let doubted = watch::Sender::new(None);
        let shared = Shared { board: Board::new(), inbox: Inbox::new(), reported: Notify::new(), doubted };
        Self { shared: Arc::new(shared), serving: watch::Sender::new(Err(NotReady::Vacant)) }
    }

    pub(crate) fn credentials(&self) -> Credentials {
        Credentials { shared: Arc::clone(&self.shared), serving: self.serving.subscribe(), name: 0 }
    }

    /// From now on new work is given this one; of the calls of [`Credentials::acquire_canary`] the share, in ten-thousandths,
    /// is given the candidate. A candidate that is named no more is retired, unless it becomes the current one: then it is the
    /// same slot, and its work counts on.
    pub(crate) fn serve(&self, credential: &Arc<Credential>, canary: Option<(&Arc<Credential>, u16)>) {
        if self.shared.board.serve(credential, canary) {
            self.serving.send_modify(|serving| *serving = Ok(()));
        }
    }

    /// From now on new work is given nothing.
    pub(crate) fn withdraw(&self, why: NotReady) {
        self.shared.board.withdraw(why);
        self.serving.send_modify(|serving| *serving = Err(why));
    }

    /// The current one is certainly dead: new work is given nothing until another one serves.
    pub(crate) fn expired(&self) {
        self.withdraw(NotReady::Expired);
    }

    /// Who holds a generation.
    pub(crate) fn holders(&self, generation: Generation) -> Holders {
        self.shared.board.holders(generation)
    }

    /// Whether no work holds a generation, and none can take it.
    pub(crate) fn is_idle(&self, generation: Generation) -> bool {
        self.shared.board.is_idle(generation)
    }

    /// Forgets of what is retired everything but these: whether they are idle is asked no more.
    pub(crate) fn retain(&self, mentioned: &[Option<Mint>]) {
        self.shared.board.retain(mentioned);
    }

    /// Waits until a retired slot has become idle. Cancel safe: the token stays until it is taken.
    pub(crate) async fn idle(&self) {
        self.shared.board.bell.notified().await;
    }

    /// Waits for a report on the trial that is open; those on another are dropped. Cancel safe: nothing is taken before it
    /// returns.
    pub(crate) async fn sample(&self) -> Sample {
        loop {
            while let Some(Note { tried, verdict }) = self.shared.inbox.take() {
                if let Some(generation) = self.shared.board.generation(tried) {
                    return Sample { generation, verdict };
                }
            }
            self.shared.reported.notified().await;
        }
    }

    /// What work says about a credential by [`Credentials::doubt`].
    pub(crate) fn doubts(&self) -> watch::Receiver<Option<Mint>> {
        self.shared.doubted.subscribe()
    }

    /// How many reports were dropped, ever, because more came than the driver took in.
    pub(crate) fn lost_reports(&self) -> u64 {
        self.shared.inbox.lost()
    }
}

impl Drop for Switch {
    fn drop(&mut self) {
        self.withdraw(NotReady::Stopped);
        self.shared.board.retain(&[]);
    }
}

#[cfg(test)]
mod tests {
    use std::future::Future as _;
    use std::pin::pin;
    use std::sync::Mutex;
    use std::task::{Context, Wake, Waker};
    use std::thread;
    use std::time::Duration;

    use tokio::time::timeout;
    use turquoise_core::Color;

    use super::*;
    use crate::port::Handle;
    use crate::sync::REPORTS;

    fn credential(number: u32) -> Arc<Credential> {
        let mint = Mint { generation: Generation { incarnation: 1, number }, slot: Color::Blue };
        Arc::new(Credential { mint, handle: Handle(number.to_string()), secret: "x".into() })
    }

    #[tokio::test]
    async fn idleness_is_told_and_final_while_threads_come_and_go() {
        let switch = Switch::new();
        switch.serve(&credential(0), None);
        let credentials = switch.credentials();
        let workers: Vec<_> = (0..3)
            .map(|_| {
                let credentials = credentials.clone();
                thread::spawn(move || while credentials.acquire().is_ok() {})
            })
            .collect();
        for number in 1..300 {
            let old = credential(number - 1).mint.generation;
            switch.serve(&credential(number), None);
            while !switch.is_idle(old) {
                timeout(Duration::from_mins(1), switch.idle()).await.expect("the last guard tells");
            }
            thread::yield_now();
            assert!(switch.is_idle(old), "{old} was taken after it was idle");
        }
        drop(switch);
        for worker in workers {
            worker.join().expect("a worker ends when the switch is gone");
        }
    }

    #[test]
    fn what_serves_again_counts_the_work_that_never_let_go() {
        let (old, new) = (credential(1), credential(2));
        let switch = Switch::new();
        switch.serve(&old, None);
        let guard = switch.credentials().acquire().expect("it serves");
        switch.serve(&new, None);
        switch.serve(&old, None);
        let other = switch.credentials().acquire().expect("it serves again");
        assert_eq!((guard.mint(), switch.credentials().held(guard.mint().generation)), (other.mint(), 2));
        assert!(switch.is_idle(new.mint.generation));
        switch.withdraw(NotReady::Closing);
        assert_eq!(switch.credentials().acquire().err(), Some(NotReady::Closing));
        drop(other);
        assert!(!switch.is_idle(guard.mint().generation));
        let generation = guard.mint().generation;
        drop(guard);
        assert!(switch.is_idle(generation));
    }

    /// Everything that served is still held, so that only its number tells it from what serves.
    #[test]
    fn a_posting_is_never_taken_for_an_older_one() {
        let switch = Switch::new();
        let credentials = switch.credentials();
        let mut held = Vec::new();
        for switches in 1..5 {
            (1..=switches).for_each(|number| switch.serve(&credential(switches * 10 + number), None));
            held.push(credentials.acquire().expect("it serves"));
            assert_eq!(held.last().map(Guard::mint), Some(credential(switches * 11).mint));
        }
    }

    /// If the old one ended first, who looks in between would find neither.
    #[test]
    fn whoever_is_told_of_the_idleness_finds_the_next_one_serving() {
        struct Look(Credentials, Mutex<Option<Mint>>);
        impl Wake for Look {
            fn wake(self: Arc<Self>) {
                let found = self.0.acquire().map(|guard| guard.mint());
                *self.1.lock().expect("nobody panics with it") = found.ok();
            }
        }
        let switch = Switch::new();
        switch.serve(&credential(1), None);
        let look = Arc::new(Look(switch.credentials(), Mutex::new(None)));
        let waker = Waker::from(Arc::clone(&look));
        let mut idle = pin!(switch.idle());
        assert!(idle.as_mut().poll(&mut Context::from_waker(&waker)).is_pending());
        switch.serve(&credential(2), None);
        assert_eq!(*look.1.lock().expect("nobody panics with it"), Some(credential(2).mint));
    }

    #[test]
    fn a_share_of_the_calls_is_given_the_candidate_spread_evenly() {
        let (old, new) = (credential(1), credential(2));
        let switch = Switch::new();
        let credentials = switch.credentials();
        switch.serve(&old, Some((&new, 2_500)));
        let drawn: Vec<bool> = (0..12).map(|_| credentials.acquire_canary().expect("it serves").is_candidate()).collect();
        assert_eq!(drawn, [false, false, false, true].repeat(3));
        assert_eq!(credentials.acquire().expect("it serves").mint(), old.mint, "work that cannot be done again");
        switch.serve(&old, Some((&new, 7)));
        let drawn = (0..10_000).filter(|_| credentials.acquire_canary().expect("it serves").mint() == new.mint).count();
        assert_eq!(drawn, 7);
    }

    #[test]
    fn work_of_a_trial_is_counted_and_a_promotion_keeps_the_count() {
        let (old, new) = (credential(1), credential(2));
        let switch = Switch::new();
        let credentials = switch.credentials();
        switch.serve(&old, Some((&new, 10_000)));
        let guard = credentials.acquire_canary().expect("it serves");
        assert_eq!((guard.mint(), guard.is_candidate()), (new.mint, true));
        switch.serve(&new, None);
        assert!(switch.is_idle(old.mint.generation));
        assert_eq!(credentials.held(new.mint.generation), 1);
        switch.serve(&old, Some((&new, 10_000)));
        switch.serve(&old, None);
        assert!(!switch.is_idle(new.mint.generation), "a trial that is over leaves its work");
        drop(guard);
        assert!(switch.is_idle(new.mint.generation));
    }

    #[tokio::test(start_paused = true)]
    async fn reports_on_both_sides_of_a_trial_reach_the_driver() {
        let (old, new) = (credential(1), credential(2));
        let switch = Switch::new();
        let credentials = switch.credentials();
        switch.serve(&old, Some((&new, 5_000)));
        let (mut current, mut candidate) = (take_canary(&credentials), take_canary(&credentials));
        tokio::time::advance(Duration::from_millis(30)).await;
        current.report(Report::Ok);
        candidate.report(Report::Refused);
        candidate.report(Report::Slow);
        credentials.acquire().expect("it serves").report(Report::Slow);
        let (took, is) = (Duration::from_millis(30), |generation, verdict| Sample { generation, verdict });
        assert_eq!(switch.sample().await, is(old.mint.generation, Verdict::Served { took }));
        assert_eq!(switch.sample().await, is(new.mint.generation, Verdict::Refused));
        timeout(Duration::from_secs(1), switch.sample()).await.expect_err("one report on each, and none on other work");
        take_canary(&credentials).report(Report::Slow);
        assert_eq!(switch.sample().await, is(old.mint.generation, Verdict::Slow));
    }

    #[tokio::test(start_paused = true)]
    async fn a_report_on_a_trial_that_is_over_is_dropped() {
        let (old, new) = (credential(1), credential(2));
        let switch = Switch::new();
        let credentials = switch.credentials();
        switch.serve(&old, Some((&new, 10_000)));
        let mut late = take_canary(&credentials);
        switch.serve(&old, None);
        switch.serve(&old, Some((&new, 10_000)));
        late.report(Report::Slow);
        take_canary(&credentials).report(Report::Refused);
        assert_eq!(switch.sample().await.verdict, Verdict::Refused);
    }

    #[tokio::test]
    async fn reports_beyond_the_bound_are_counted_as_lost() {
        let switch = Switch::new();
        switch.serve(&credential(1), Some((&credential(2), 10_000)));
        for _ in 0..REPORTS + 3 {
            take_canary(&switch.credentials()).report(Report::Slow);
        }
        assert_eq!(switch.lost_reports(), 3);
        for _ in 0..REPORTS {
            switch.sample().await;
        }
        take_canary(&switch.credentials()).report(Report::Refused);
        assert_eq!((switch.sample().await.verdict, switch.lost_reports()), (Verdict::Refused, 3));
    }

    #[tokio::test(start_paused = true)]
    async fn what_expired_is_not_given_out_and_another_one_may_come() {
        let switch = Switch::new();
        let mut credentials = switch.credentials();
        switch.serve(&credential(1), None);
        credentials.changed().await.expect("it serves");
        switch.withdraw(NotReady::Expired);
        assert_eq!(credentials.acquire().err(), Some(NotReady::Expired));
        timeout(Duration::from_secs(1), credentials.ready()).await.expect_err("there is none yet");
        timeout(Duration::from_secs(1), credentials.changed()).await.expect_err("there is none yet");
        switch.serve(&credential(2), None);
        assert_eq!((credentials.ready().await, credentials.changed().await), (Ok(()), Ok(())));
    }

    #[tokio::test(start_paused = true)]
    async fn a_trial_is_no_change() {
        let (old, new) = (credential(1), credential(2));
        let switch = Switch::new();
        switch.serve(&old, None);
        let mut credentials = switch.credentials();
        switch.serve(&old, Some((&new, 100)));
        timeout(Duration::from_secs(1), credentials.changed()).await.expect_err("the same one serves");
        switch.serve(&new, None);
        assert_eq!(credentials.changed().await, Ok(()));
    }

    #[test]
    fn a_trial_allocates_nothing_for_the_work_that_it_is_tried_on() {
        let switch = Switch::new();
        switch.serve(&credential(1), Some((&credential(2), 5_000)));
        let credentials = switch.credentials();
        let work = || {
            for _ in 0..4 {
                take_canary(&credentials).report(Report::Ok);
            }
        };
        assert_eq!(allocation_counter::measure(work).count_total, 0);
    }

    #[test]
    fn who_holds_what_was_retired_is_named() {
        let (old, new) = (credential(1), credential(2));
        let switch = Switch::new();
        switch.serve(&old, None);
        let credentials = switch.credentials();
        let (ingest, export) = (credentials.named("ingest"), credentials.named("export"));
        let take = |credentials: &Credentials| credentials.acquire().expect("it serves");
        let guards = [take(&ingest), take(&credentials), take(&credentials.named("ingest")), take(&export)];
        switch.serve(&new, None);
        let _other = take(&export);
        assert_eq!(switch.holders(old.mint.generation).to_string(), "export 1, ingest 2, unnamed 1");
        drop(guards);
        assert_eq!(switch.holders(old.mint.generation), Holders::default());
        for n in 0..20 {
            drop(credentials.named(&n.to_string()));
        }
        let _many = take(&credentials.named("one too many"));
        assert_eq!(switch.holders(new.mint.generation).to_string(), "export 1, unnamed 1");
    }

    #[test]
    fn a_secret_goes_with_its_last_guard_whatever_a_handle_remembers() {
        let old = credential(1);
        let memory = Arc::downgrade(&old);
        let switch = Switch::new();
        switch.serve(&old, None);
        drop(old);
        let credentials = switch.credentials();
        let guard = credentials.acquire().expect("it serves");
        switch.serve(&credential(2), None);
        assert!(memory.upgrade().is_some());
        drop(guard);
        assert!(memory.upgrade().is_none());
        let current = credentials.acquire().map(|guard| Arc::downgrade(&guard.lane.slot.credential)).expect("it serves");
        drop(switch);
        assert!(current.upgrade().is_none());
    }

    fn take_canary(credentials: &Credentials) -> Guard {
        credentials.acquire_canary().expect("it serves")
    }
}
