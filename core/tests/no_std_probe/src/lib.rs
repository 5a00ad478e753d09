//! Runs the machine where there is no standard library, no allocator and nobody to catch a panic.
#![no_std]

#[cfg(feature = "with-std")]
extern crate std;

use core::panic::PanicInfo;

use turquoise_core::{BootId, Held, Input, Instant, Policy, Record, Rotation};

#[panic_handler]
fn panic(_: &PanicInfo<'_>) -> ! {
    loop {}
}

/// Recovers, tells the machine something and asks for everything that it has to say.
pub extern "C" fn run(policy: Policy, record: Record, now: Instant) -> u32 {
    let Ok(mut machine) = Rotation::recover(policy, 1, BootId(1), now, [record], Held::default()) else { return 0 };
    let mut outputs = u32::from(machine.handle(now, Input::Begin).is_ok());
    while machine.poll_output().is_some() {
        outputs += 1;
    }
    outputs
}
