//! The load: work that is done over and over, four items at a time, none tried twice.

use std::cell::{Cell, RefCell};

use tokio::task::yield_now;

use crate::rounds::Fault;

/// Does the work over and over, until what happens meanwhile is over; answers how often. Work that is refused is an error.
pub(crate) async fn load(
    work: impl AsyncFn() -> Result<(), Fault>,
    meanwhile: impl Future<Output = Result<(), Fault>>,
) -> Result<u64, Fault> {
    let (done, refused, over) = (Cell::new(0), RefCell::new(Vec::new()), Cell::new(false));
    let worker = async || {
        while !over.get() {
            match work().await {
                Ok(()) => done.set(done.get() + 1),
                Err(why) => refused.borrow_mut().push(why),
            }
            yield_now().await;
        }
    };
    let until = async {
        let ended = meanwhile.await;
        over.set(true);
        ended
    };
    let (ended, ..) = tokio::join!(until, worker(), worker(), worker(), worker());
    ended?;
    match refused.into_inner().as_slice() {
        [] => Ok(done.get()),
        [first, ..] if done.get() == 0 => Err(format!("no work was done: {first}").into()),
        [first, rest @ ..] => Err(format!("work was refused, {} times: {first}", rest.len() + 1).into()),
    }
}

/// What came of it. More than one token alive is an error: an old one was left behind.
#[expect(clippy::print_stdout, reason = "an example tells what it does")]
pub(crate) fn tell(rotations: u64, done: u64, alive: usize) -> Result<(), Fault> {
    println!("{rotations} rotations, {done} items of work, none refused; tokens alive: {alive}");
    if alive == 1 { Ok(()) } else { Err("one token was to be alive".into()) }
}
