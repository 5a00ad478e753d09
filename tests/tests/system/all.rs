//! Many that take long and do little, at once.

use std::any::Any;
use std::fmt::Debug;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

/// So many identities live at once in each test.
const AT_ONCE: usize = 16;

/// Does all of these, several at once, and tells of all that end badly. The answers are in the order of what was to be done.
pub(crate) fn at_once<T: Debug + Sync, R: Send>(todo: &[T], act: impl Fn(usize, &T) -> R + Sync) -> Vec<R> {
    let (next, rows, failures) = (AtomicUsize::new(0), Mutex::new(Vec::new()), Mutex::new(Vec::new()));
    let work = || {
        while let Some((number, one)) = todo.iter().enumerate().nth(next.fetch_add(1, Ordering::Relaxed)) {
            match catch_unwind(AssertUnwindSafe(|| act(number, one))) {
                Ok(row) => rows.lock().unwrap().push((number, row)),
                Err(why) => failures.lock().unwrap().push(format!("{one:?}: {}", words(why.as_ref()))),
            }
        }
    };
    thread::scope(|scope| (0..AT_ONCE).for_each(|_| drop(scope.spawn(work))));
    let failures = failures.into_inner().unwrap();
    assert!(failures.is_empty(), "{} of {} ended badly:\n{}", failures.len(), todo.len(), failures.join("\n"));
    let mut rows = rows.into_inner().unwrap();
    rows.sort_by_key(|(number, _)| *number);
    rows.into_iter().map(|(_, row)| row).collect()
}

fn words(payload: &(dyn Any + Send)) -> &str {
    payload.downcast_ref::<String>().map(String::as_str).or_else(|| payload.downcast_ref().copied()).unwrap_or("no words")
}
