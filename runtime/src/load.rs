//! What many identities ask of one provider in common: one ceiling (S10), and a spread start.
//!
//! The machine of one identity keeps to a budget of its own, if its policy has one. This is the one in front of all of them:
//! [`Metered`] holds the provider, and nobody gets at it but with a [`Permit`].

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::Notify;
use tokio::time::{self, sleep_until};
use turquoise_core::{Bucket, Budget, Effect, Generation, Instant, Jitter};

use crate::port::{Contract, Provider};

/// The longest that a provider's `Retry-After` is heeded: a credential of five minutes outlives it, should what was said be
/// absurd.
const LONGEST_REST: Duration = Duration::from_mins(1);

/// How many calls to a provider all identities that share it may make together, and how their first logins are spread.
///
/// Give a clone to every identity whose calls go to the same provider: a clone is the same load. Each call of the port
/// [`Provider`](crate::port::Provider) takes a permit before it is sent, renewals of what serves first, then logins and mints,
/// then other changes of a life, then probes and looks, then revocations; in each kind who came first. Nothing is saved up at
/// the start. When the provider answers that it is to be asked later
/// ([`Throttled`](crate::port::Reply::Throttled)), nobody asks before, but for at most a minute.
///
/// A call that gets no permit in half of its policy's `patience` is not sent, and its machine is told so: it tries again as
/// after any failure. So `patience` is still the limit for a call and its wait, and Δ counts from before the wait.
///
/// It counts calls, not requests on the wire: a provider whose calls make several says how many. What work does with a
/// credential is not in it.
#[derive(Clone, Debug)]
pub struct Load {
    shared: Arc<Shared>,
    start_spread: Duration,
}

#[derive(Debug)]
struct Shared {
    budget: Budget,
    /// The zero of the bucket's instants. While the machine is suspended they stand still: nothing is saved up then.
    zero: time::Instant,
    queue: Mutex<Queue>,
}

#[derive(Debug)]
struct Queue {
    bucket: Bucket,
    /// The provider wants to be left alone until then.
    rest_until: Instant,
    waiting: BTreeMap<Place, Arc<Notify>>,
    tickets: u64,
}

/// The more urgent first, then who came first.
type Place = (Urgency, u64);

/// Who goes first when there is not enough for all; between the calls of one identity its machine has the same order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Urgency {
    /// What serves is renewed.
    Renewal,
    /// A login or a mint.
    Mint,
    /// Any other change of a life.
    Life,
    /// A probe, or a look for what may be dead.
    Look,
    /// A revocation.
    End,
}

impl Urgency {
    pub(crate) fn of(effect: &Effect, current: Option<Generation>) -> Self {
        match effect {
            Effect::Renew { generation, .. } if Some(*generation) == current => Self::Renewal,
            Effect::Login { .. } | Effect::Issue { .. } => Self::Mint,
            Effect::Renew { .. } | Effect::Extend { .. } | Effect::Shorten { .. } => Self::Life,
            Effect::Revoke { .. } => Self::End,
            _ => Self::Look,
        }
    }

    /// How many calls it leaves for those that are more urgent.
    const fn reserve(self) -> u16 {
        self as u16
    }
}

/// Nothing was sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum NotSent {
    #[error("not sent: the provider wants to be asked again in {0:?}, and is left alone until then")]
    Resting(Duration),
    #[error("not sent: the budget that the identities share gave no permit in time; if that goes on, raise it")]
    Crowded,
    #[error("not sent: time was lost while it waited for its turn, and what it was wanted for may have changed")]
    Slept,
}

impl Load {
    /// So many calls at once, and one more in each interval, rounded up to a whole millisecond. First logins are spread over
    /// five seconds.
    #[must_use]
    pub fn new(budget: Budget) -> Self {
        let every = Duration::from_millis(u64::try_from(budget.every.as_nanos().div_ceil(1_000_000)).unwrap_or(u64::MAX));
        let budget = Budget { every, burst: budget.burst.max(1) };
        let bucket = Bucket::empty(&budget, Instant(0));
        let queue = Queue { bucket, rest_until: Instant(0), waiting: BTreeMap::new(), tickets: 0 };
        let shared = Shared { budget, zero: time::Instant::now(), queue: Mutex::new(queue) };
        Self { shared: Arc::new(shared), start_spread: Duration::from_secs(5) }
    }

    /// No ceiling, for a provider that nobody else depends on; that it wants to be left alone for a while is heeded all the same.
    #[must_use]
    pub fn unlimited() -> Self {
        Self::new(Budget { every: Duration::ZERO, burst: 1 })
    }

    /// How long the first login of an identity that has no credential waits at most: so many identities log in together no
    /// faster than spread over that time. Which part of it one waits comes from the seed of its policy's jitter; without
    /// jitter it does not wait. What survived in its store serves at once.
    #[must_use]
    pub fn start_spread(self, within: Duration) -> Self {
        Self { start_spread: within, ..self }
    }

    /// Waits for the turn of a look at something that no machine asks for: it comes after all that keeps a credential alive.
    /// Answers whether there was one in time. Cancel safe.
    pub async fn admit(&self, within: Duration) -> bool {
        self.permit(Urgency::Look, time::Instant::now() + within).await.is_ok()
    }

    pub(crate) fn start_wait(&self, jitter: Jitter) -> Duration {
        jitter.phase(self.start_spread)
    }

    /// Waits for a permit until then. Dropped before it ends, it has used nothing up.
    async fn permit(&self, urgency: Urgency, by: time::Instant) -> Result<(), NotSent> {
        let standing = Standing::new(self, urgency);
        loop {
            let at = self.shared.turn(standing.place, by)?;
            let Some(at) = at else { return Ok(()) };
            tokio::select! {
                () = standing.turn.notified() => {}
                () = sleep_until(at) => {}
            }
        }
    }

    /// The provider is asked nothing by any of us for so long.
    fn rest(&self, wait: Duration) {
        let until = self.shared.now() + wait.min(LONGEST_REST);
        let mut queue = self.shared.queue();
        if until > queue.rest_until {
            queue.rest_until = until;
            // Nothing is saved up meanwhile.
            queue.bucket = Bucket::empty(&self.shared.budget, until);
        }
    }
}

impl Shared {
    fn queue(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn now(&self) -> Instant {
        Instant(u64::try_from(self.zero.elapsed().as_millis()).unwrap_or(u64::MAX))
    }

    /// Takes a permit if it is this one's turn; else says when to look again.
    fn turn(&self, place: Place, by: time::Instant) -> Result<Option<time::Instant>, NotSent> {
        let now = self.now();
        let mut queue = self.queue();
        let ready = queue.bucket.ready(&self.budget, place.0.reserve());
        let first = queue.waiting.first_key_value().is_some_and(|(first, _)| *first == place);
        if first && ready <= now {
            queue.bucket.take(&self.budget, now);
            return Ok(None);
        }
        let at = self.zero + ready.since(Instant(0));
        if at > by || time::Instant::now() >= by {
            let resting = queue.rest_until > now;
            return Err(if resting { NotSent::Resting(queue.rest_until.since(now)) } else { NotSent::Crowded });
        }
        // Who is not the first is told when it becomes that.
        Ok(Some(if first { at } else { by }))
    }
}

/// A place in the queue, until it is dropped: then the next one is told.
struct Standing<'a> {
    load: &'a Load,
    place: Place,
    turn: Arc<Notify>,
}

impl<'a> Standing<'a> {
    fn new(load: &'a Load, urgency: Urgency) -> Self {
        let turn = Arc::new(Notify::new());
        let mut queue = load.shared.queue();
        queue.tickets += 1;
        let place = (urgency, queue.tickets);
        queue.waiting.insert(place, Arc::clone(&turn));
        Self { load, place, turn }
    }
}

impl Drop for Standing<'_> {
    fn drop(&mut self) {
        let mut queue = self.load.shared.queue();
        queue.waiting.remove(&self.place);
        if let Some((_, next)) = queue.waiting.first_key_value() {
            next.notify_one();
        }
    }
}

/// A provider that is to be had only through the load.
pub(crate) struct Metered<P> {
    provider: P,
    load: Load,
}

/// One call to the provider.
pub(crate) struct Permit<'a, P>(&'a P);

impl<P> Metered<P> {
    pub(crate) const fn new(provider: P, load: Load) -> Self {
        Self { provider, load }
    }

    pub(crate) async fn permit(&self, urgency: Urgency, by: time::Instant) -> Result<Permit<'_, P>, NotSent> {
        self.load.permit(urgency, by).await?;
        Ok(Permit(&self.provider))
    }

    /// The provider has said when to ask again.
    pub(crate) fn rest(&self, wait: Duration) {
        self.load.rest(wait);
    }

    pub(crate) fn start_wait(&self, jitter: Jitter) -> Duration {
        self.load.start_wait(jitter)
    }
}

impl<P: Provider> Metered<P> {
    /// What it declares: to ask for that takes no permit.
    pub(crate) fn contract(&self) -> Contract {
        self.provider.contract()
    }
}

impl<'a, P> Permit<'a, P> {
    /// Uses it up.
    pub(crate) const fn provider(self) -> &'a P {
        self.0
    }
}

/// The jitter of an identity on a host: the same after each start, and as good as random beside those of all others.
///
/// `host` is whatever tells this one from others with an identity of the same name: its name, a pod's name, a machine id. The
/// seed is the FNV-1a hash of both, in 64 bits.
#[must_use]
pub fn jitter(identity: &str, host: &str) -> Jitter {
    // No text contains this byte: what belongs to which of the two is in the hash.
    let bytes = identity.bytes().chain([0xff]).chain(host.bytes());
    Jitter::Full(fnv1a(bytes))
}

fn fnv1a(bytes: impl Iterator<Item = u8>) -> u64 {
    bytes.fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use tokio::task::{JoinSet, yield_now};
    use tokio::time::sleep;
    use turquoise_core::Mint;

    use super::*;

    const fn millis(millis: u64) -> Duration {
        Duration::from_millis(millis)
    }

    fn load(every: Duration, burst: u16) -> Load {
        Load::new(Budget { every, burst })
    }

    /// Who was given a permit, and how long after the load began.
    #[derive(Clone, Default)]
    struct Given(Arc<Mutex<Vec<(Urgency, Duration)>>>);

    impl Given {
        fn all(&self) -> Vec<(Urgency, Duration)> {
            self.0.lock().expect("nobody panics with it").clone()
        }

        async fn ask(self, load: Load, urgency: Urgency, within: Duration) -> Result<(), NotSent> {
            load.permit(urgency, time::Instant::now() + within).await?;
            self.0.lock().expect("nobody panics with it").push((urgency, load.shared.zero.elapsed()));
            Ok(())
        }
    }

    const ALL: [Urgency; 5] = [Urgency::Renewal, Urgency::Mint, Urgency::Life, Urgency::Look, Urgency::End];

    #[tokio::test(start_paused = true)]
    async fn the_more_urgent_go_first() {
        let (load, given, mut tasks) = (load(millis(100), 1), Given::default(), JoinSet::new());
        for urgency in ALL.into_iter().rev().chain(ALL) {
            tasks.spawn(given.clone().ask(load.clone(), urgency, millis(5_000)));
        }
        tasks.join_all().await;
        let expected: Vec<_> = ALL.into_iter().flat_map(|urgency| [urgency; 2]).zip((1..).map(|n| millis(100 * n))).collect();
        assert_eq!(given.all(), expected);
    }

    #[tokio::test(start_paused = true)]
    async fn the_less_urgent_leave_some_for_the_others() {
        let (load, given) = (load(millis(100), 5), Given::default());
        sleep(millis(5_000)).await;
        let taken = |urgency| given.clone().ask(load.clone(), urgency, Duration::ZERO);
        assert_eq!(taken(Urgency::End).await, Ok(()));
        assert_eq!(taken(Urgency::End).await, Err(NotSent::Crowded));
        assert_eq!(taken(Urgency::Mint).await, Ok(()));
        assert_eq!(taken(Urgency::Renewal).await, Ok(()));
    }

    #[tokio::test(start_paused = true)]
    async fn who_gives_up_uses_nothing_up_and_the_next_is_told() {
        let (load, given, mut tasks) = (load(millis(100), 1), Given::default(), JoinSet::new());
        let first = tasks.spawn(given.clone().ask(load.clone(), Urgency::Renewal, millis(5_000)));
        yield_now().await;
        tasks.spawn(given.clone().ask(load.clone(), Urgency::Mint, millis(5_000)));
        sleep(millis(50)).await;
        first.abort();
        while tasks.join_next().await.is_some() {}
        assert_eq!(given.all(), [(Urgency::Mint, millis(100))]);
        assert!(load.shared.queue().waiting.is_empty());
    }

    #[tokio::test(start_paused = true)]
    async fn who_gets_none_in_time_is_told_at_once_where_that_is_certain() {
        let (load, given) = (load(millis(1_000), 1), Given::default());
        let asked = given.clone().ask(load.clone(), Urgency::Renewal, millis(999)).await;
        assert_eq!((asked, load.shared.zero.elapsed()), (Err(NotSent::Crowded), Duration::ZERO));
        let (mut tasks, within) = (JoinSet::new(), millis(1_500));
        for urgency in [Urgency::Mint, Urgency::Renewal] {
            tasks.spawn(given.clone().ask(load.clone(), urgency, within));
        }
        tasks.join_all().await;
        assert_eq!(given.all(), [(Urgency::Renewal, millis(1_000))]);
        assert_eq!(load.shared.zero.elapsed(), millis(1_000), "the other one sees then that there will be none");
    }

    #[tokio::test(start_paused = true)]
    async fn when_the_provider_wants_to_be_left_alone_nobody_asks_and_nothing_is_saved_up() {
        let (load, given) = (load(millis(10), 3), Given::default());
        sleep(millis(1_000)).await;
        load.clone().rest(millis(20_000));
        load.rest(millis(1_000));
        let refused = given.clone().ask(load.clone(), Urgency::Renewal, millis(5_000)).await;
        assert_eq!(refused, Err(NotSent::Resting(millis(20_000))), "and a shorter wait changes nothing");
        assert_eq!(load.shared.zero.elapsed(), millis(1_000), "that is told at once");
        for _ in 0..2 {
            given.clone().ask(load.clone(), Urgency::Renewal, millis(25_000)).await.expect("it is over by then");
        }
        assert_eq!(given.all(), [21_010, 21_020].map(|at| (Urgency::Renewal, millis(at))));
    }

    #[tokio::test(start_paused = true)]
    async fn who_waits_already_waits_on_when_the_provider_wants_to_be_left_alone() {
        let (load, given) = (load(millis(1_000), 1), Given::default());
        let waiting = tokio::spawn(given.clone().ask(load.clone(), Urgency::Renewal, millis(9_000)));
        sleep(millis(500)).await;
        load.rest(millis(5_000));
        waiting.await.expect("it does not panic").expect("it is over by then");
        assert_eq!(given.all(), [(Urgency::Renewal, millis(6_500))]);
    }

    #[tokio::test(start_paused = true)]
    async fn an_absurd_wish_to_be_left_alone_is_heeded_for_a_minute() {
        let (load, given) = (Load::unlimited(), Given::default());
        load.rest(Duration::MAX);
        given.clone().ask(load, Urgency::Renewal, millis(90_000)).await.expect("it is over by then");
        assert_eq!(given.all(), [(Urgency::Renewal, LONGEST_REST)]);
    }

    #[test]
    fn an_interval_of_no_whole_milliseconds_is_rounded_up() {
        assert_eq!(load(Duration::from_micros(66_667), 0).shared.budget, Budget { every: millis(67), burst: 1 });
        assert_eq!(Load::unlimited().shared.budget.every, Duration::ZERO);
    }

    #[test]
    fn only_the_renewal_of_what_serves_goes_before_all() {
        let [one, other] = [1, 2].map(|number| Generation { incarnation: 7, number });
        let mint = Mint { generation: other, slot: turquoise_core::Color::Green };
        let life = millis(1);
        for (effect, urgency) in [
            (Effect::Renew { generation: one, life }, Urgency::Renewal),
            (Effect::Renew { generation: other, life }, Urgency::Life),
            (Effect::Extend { generation: one, life }, Urgency::Life),
            (Effect::Login { mint }, Urgency::Mint),
            (Effect::Issue { mint, by: one, life }, Urgency::Mint),
            (Effect::Probe(one), Urgency::Look),
            (Effect::Revoke { generation: one, witness: None }, Urgency::End),
        ] {
            assert_eq!(Urgency::of(&effect, Some(one)), urgency, "{effect:?}");
        }
    }

    #[test]
    fn the_seed_is_the_published_hash_of_identity_and_host() {
        assert_eq!(fnv1a("".bytes()), 0xcbf2_9ce4_8422_2325);
        assert_eq!(fnv1a("foobar".bytes()), 0x8594_4171_f739_67e8);
        assert_eq!(jitter("payments", "host-1"), jitter("payments", "host-1"));
        let names = [("a", "bc"), ("ab", "c"), ("abc", ""), ("", "abc")];
        let seeds: BTreeSet<_> = names.map(|(identity, host)| jitter(identity, host).phase(Duration::MAX)).into();
        assert_eq!(seeds.len(), names.len());
    }
}
