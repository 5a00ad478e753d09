//! Answers kindly and at once whatever a machine asks for, but for what a test wants to answer itself.

use turquoise_core::{Applied, BootId, Effect, Held, Input, Instant, OpId, Outcome, Output, Policy, Rotation};

/// A machine with an empty journal, and nothing done yet.
pub(crate) fn fresh(policy: &Policy, now: Instant) -> Rotation {
    Rotation::recover(*policy, 1, BootId(1), now, [], Held::default()).expect("an empty journal is sound")
}

/// Goes on at this instant until nothing is asked for any more, or this effect is: its answer is the test's.
pub(crate) fn run(machine: &mut Rotation, now: Instant, held: fn(&Effect) -> bool) -> Option<OpId> {
    for _ in 0..100 {
        let answer = match machine.poll_output() {
            Some(Output::Append(record)) => Input::Durable(record.lsn),
            Some(Output::Perform { op, effect }) if held(&effect) => return Some(op),
            Some(Output::Perform { op, effect }) => Input::Completed { op, outcome: Outcome::Applied(applied(machine, &effect)) },
            Some(Output::Serve(_) | Output::Withdraw | Output::Notify(_)) => continue,
            None => return None,
        };
        machine.handle(now, answer).expect("it was asked for");
    }
    panic!("the machine asks without end");
}

const fn applied(machine: &Rotation, effect: &Effect) -> Applied {
    match *effect {
        Effect::Persist(_) | Effect::Publish(_) | Effect::Clear(_) | Effect::Revoke { .. } => Applied::Done,
        Effect::Observe { .. } | Effect::Discover { .. } => Applied::Dead,
        Effect::Issue { life, .. } | Effect::Renew { life, .. } | Effect::Extend { life, .. } | Effect::Shorten { life, .. } => {
            Applied::Alive { remaining: life }
        }
        Effect::Login { .. } => Applied::Alive { remaining: machine.policy().full },
        Effect::Probe(_) => Applied::Alive { remaining: machine.policy().probation },
    }
}
