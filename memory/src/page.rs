//! A page for one secret: everything that is `unsafe`.
//!
//! ```text
//! | guard | head | body … | guard |
//! ```
//!
//! The guards may not be touched. The body is locked and holds the text, whose end is the end of the body, so that whoever
//! reads on is killed. The head holds the length, and a fork wipes it: a child finds no text. That is what makes a body
//! sound that is not there in a child at all, as one from `memfd_secret(2)` is not.

#![expect(unsafe_code, reason = "the one place where the system is asked for memory that Rust knows nothing of")]

use std::ffi::c_void;
use std::mem::ManuallyDrop;
use std::ptr::{self, NonNull};
use std::slice;

use rustix::mm::{MapFlags, MprotectFlags, ProtFlags, mlock, mmap_anonymous, mprotect, munmap};
use rustix::param::page_size;
use zeroize::Zeroize as _;

use crate::error::LockError;

/// What the body is made of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Memory that is in no other process's reach, nor, by usual ways, in the kernel's: `memfd_secret(2)`.
    #[cfg(target_os = "linux")]
    Hidden,
    /// Memory that is never swapped out.
    Locked,
}

/// The pages around one text.
pub(crate) struct Page {
    /// Unmapped by whom mapped it, and not by a forked child, where others may have moved into its holes.
    region: ManuallyDrop<Region>,
    kind: Kind,
}

// SAFETY: a page owns its memory alone; nothing in it is tied to a thread.
unsafe impl Send for Page {}
// SAFETY: through a shared reference it is only read.
unsafe impl Sync for Page {}

impl Page {
    /// Room for a text of this many bytes: hidden if the system can, else locked.
    pub(crate) fn new(capacity: usize) -> Result<Self, LockError> {
        #[cfg(target_os = "linux")]
        if let Ok(page) = Self::of(Kind::Hidden, capacity) {
            return Ok(page);
        }
        Self::of(Kind::Locked, capacity)
    }

    pub(crate) fn of(kind: Kind, capacity: usize) -> Result<Self, LockError> {
        let region = Region::reserve(capacity)?;
        region.open(1, 1)?;
        match kind {
            #[cfg(target_os = "linux")]
            Kind::Hidden => linux::hide(&region)?,
            Kind::Locked => {
                region.open(2, region.pages - 3)?;
                // SAFETY: the body is mapped and ours; locking it changes nothing in it.
                unsafe { mlock(region.body().as_ptr(), region.capacity()) }
                    .map_err(|cause| LockError::locking(region.capacity(), cause))?;
            }
        }
        #[cfg(target_os = "linux")]
        linux::advise(&region, kind)?;
        let mut page = Self { region: ManuallyDrop::new(region), kind };
        page.set_length(0);
        Ok(page)
    }

    pub(crate) const fn kind(&self) -> Kind {
        self.kind
    }

    /// Copies a text in, in place of what was there, if it fits and the page is not one that a fork left behind.
    pub(crate) fn put(&mut self, text: &str) -> bool {
        if text.len() > self.region.capacity() || self.length().is_none() {
            return false;
        }
        self.wipe();
        // SAFETY: the text fits into the body, so what is written is within it.
        let start = unsafe { self.region.end().sub(text.len()) };
        // SAFETY: both are valid for so many bytes; the body is ours alone, so they do not overlap.
        unsafe { ptr::copy_nonoverlapping(text.as_ptr(), start.as_ptr(), text.len()) };
        self.set_length(text.len());
        true
    }

    /// The text; in a forked child, none.
    pub(crate) fn text(&self) -> &str {
        let length = self.length().unwrap_or(0);
        // SAFETY: a length that is not nought was set by `put`, so it is within the body.
        let start = unsafe { self.region.end().sub(length) };
        // SAFETY: `put` has written so many bytes there, and nobody writes while `self` is borrowed.
        let bytes = unsafe { slice::from_raw_parts(start.as_ptr(), length) };
        // SAFETY: they were copied from a text.
        unsafe { str::from_utf8_unchecked(bytes) }
    }

    fn wipe(&mut self) {
        let length = self.length().unwrap_or(0);
        // SAFETY: as in `text`.
        let start = unsafe { self.region.end().sub(length) };
        // SAFETY: as in `text`, and `self` is borrowed for us alone.
        unsafe { slice::from_raw_parts_mut(start.as_ptr(), length) }.zeroize();
    }

    /// In a forked child there is none.
    fn length(&self) -> Option<usize> {
        // SAFETY: the head is mapped, aligned and readable as long as we live. Volatile, for a fork changes it.
        let marked = unsafe { self.region.head().cast::<usize>().read_volatile() };
        marked.checked_sub(1)
    }

    /// Written as one more than it is: nought is what a fork leaves.
    fn set_length(&mut self, length: usize) {
        // SAFETY: the head is mapped, aligned and writable as long as we live.
        unsafe { self.region.head().cast::<usize>().write_volatile(length + 1) };
    }
}

impl Drop for Page {
    fn drop(&mut self) {
        if self.length().is_none() {
            return; // in a forked child
        }
        self.wipe();
        // SAFETY: it is dropped nowhere else, and not used after this.
        unsafe { ManuallyDrop::drop(&mut self.region) };
    }
}

/// A stretch of addresses that is ours alone.
struct Region {
    start: NonNull<c_void>,
    pages: usize,
}

impl Region {
    /// Takes addresses for a body of so many bytes, at least one page, and all that goes around it. None may be touched yet.
    fn reserve(capacity: usize) -> Result<Self, LockError> {
        let pages = capacity.div_ceil(page_size()).max(1).saturating_add(3);
        let length = pages.saturating_mul(page_size());
        // SAFETY: the system picks addresses where nothing is.
        let start = unsafe { mmap_anonymous(ptr::null_mut(), length, ProtFlags::empty(), MapFlags::PRIVATE) }
            .map_err(LockError::when("reserve"))?;
        let start = NonNull::new(start).expect("the system maps nothing at address nought unasked");
        Ok(Self { start, pages })
    }

    /// Lets so many pages from this one on be read and written.
    fn open(&self, first: usize, pages: usize) -> Result<(), LockError> {
        let both = MprotectFlags::READ | MprotectFlags::WRITE;
        // SAFETY: callers name pages of this region, to which nobody has a reference yet.
        unsafe { mprotect(self.at(first).as_ptr(), pages * page_size(), both) }.map_err(LockError::when("open"))
    }

    fn at(&self, page: usize) -> NonNull<c_void> {
        debug_assert!(page < self.pages);
        // SAFETY: within the region.
        unsafe { self.start.byte_add(page * page_size()) }
    }

    fn head(&self) -> NonNull<c_void> {
        self.at(1)
    }

    fn body(&self) -> NonNull<c_void> {
        self.at(2)
    }

    /// Of the body.
    fn capacity(&self) -> usize {
        (self.pages - 3) * page_size()
    }

    /// Of the body, where the upper guard begins.
    fn end(&self) -> NonNull<u8> {
        self.at(self.pages - 1).cast()
    }
}

impl Drop for Region {
    fn drop(&mut self) {
        // SAFETY: it was mapped whole by `reserve`, and who owned it is gone.
        if let Err(cause) = unsafe { munmap(self.start.as_ptr(), self.pages * page_size()) } {
            tracing::error!(%cause, next = "nothing: the memory was wiped; it is only lost", "not unmapped");
        }
    }
}

/// What Linux alone does.
#[cfg(target_os = "linux")]
mod linux {
    use std::os::fd::{FromRawFd as _, OwnedFd};

    use rustix::fs::ftruncate;
    use rustix::io::Errno;
    use rustix::mm::{Advice, MapFlags, ProtFlags, madvise, mmap};
    use rustix::param::page_size;

    use super::{Kind, Region};
    use crate::error::LockError;

    /// Puts hidden memory where the body is to be. It counts as locked.
    pub(super) fn hide(region: &Region) -> Result<(), LockError> {
        let file = memfd_secret().map_err(LockError::when("hide"))?;
        ftruncate(&file, region.capacity() as u64).map_err(LockError::when("size"))?;
        let (access, flags) = (ProtFlags::READ | ProtFlags::WRITE, MapFlags::SHARED | MapFlags::FIXED);
        // SAFETY: it takes the place of pages of this region, to which nobody has a reference yet.
        let mapped = unsafe { mmap(region.body().as_ptr(), region.capacity(), access, flags, &file, 0) };
        mapped.map(drop).map_err(|cause| LockError::locking(region.capacity(), cause))
    }

    /// A file of memory that only those see who map it.
    fn memfd_secret() -> Result<OwnedFd, Errno> {
        // SAFETY: it takes one integer, and touches no memory of ours.
        let answer = unsafe { libc::syscall(libc::SYS_memfd_secret, libc::O_CLOEXEC) };
        let Ok(file @ 0..) = i32::try_from(answer) else {
            return Err(Errno::from_io_error(&std::io::Error::last_os_error()).unwrap_or(Errno::NOSYS));
        };
        // SAFETY: it was just opened for us.
        Ok(unsafe { OwnedFd::from_raw_fd(file) })
    }

    /// Keeps the body out of core files, and both head and body out of forked children. Hidden memory is shared, so it cannot
    /// be wiped in a child; it is not there at all.
    pub(super) fn advise(region: &Region, kind: Kind) -> Result<(), LockError> {
        let on_fork = match kind {
            Kind::Hidden => Advice::LinuxDontFork,
            Kind::Locked => Advice::LinuxWipeOnFork,
        };
        let advice = [
            (region.head(), page_size(), Advice::LinuxWipeOnFork, "have a fork wipe"),
            (region.body(), region.capacity(), on_fork, "keep from a fork"),
            (region.body(), region.capacity(), Advice::LinuxDontDump, "keep out of core files"),
        ];
        for (at, length, advice, doing) in advice {
            // SAFETY: these are pages of this region; in this process the advice changes nothing in them.
            unsafe { madvise(at.as_ptr(), length, advice) }.map_err(LockError::when(doing))?;
        }
        Ok(())
    }
}
