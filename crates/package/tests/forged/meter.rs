//! What reading an archive costs: bytes read and memory held at once, which is the same on every machine.

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::io::{self, Cursor, Read, Seek, SeekFrom};

thread_local! {
    static HELD: Cell<usize> = const { Cell::new(0) };
    static PEAK: Cell<usize> = const { Cell::new(0) };
}

/// The allocator of the system, with what each thread holds.
pub struct Counting;

// SAFETY: every call goes to the allocator of the system as it came; the counters allocate nothing and have
// no destructor, so they can be used whenever a thread allocates.
#[expect(unsafe_code, reason = "an allocator can only be written so")]
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        let held = HELD.get() + layout.size();
        HELD.set(held);
        PEAK.set(PEAK.get().max(held));
        // SAFETY: the caller's promise is passed on.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, memory: *mut u8, layout: Layout) {
        // What another thread allocated may be freed here.
        HELD.set(HELD.get().saturating_sub(layout.size()));
        // SAFETY: the caller's promise is passed on.
        unsafe { System.dealloc(memory, layout) }
    }
}

/// Runs `work` and tells how many bytes it held at once, at most, beyond those held before.
pub fn peak_of<T>(work: impl FnOnce() -> T) -> (T, usize) {
    let before = HELD.get();
    PEAK.set(before);
    let result = work();
    (result, PEAK.get() - before)
}

/// A file that counts what is read of it.
pub struct Metered<'a> {
    file: Cursor<&'a [u8]>,
    read: &'a Cell<usize>,
}

impl<'a> Metered<'a> {
    pub fn new(bytes: &'a [u8], read: &'a Cell<usize>) -> Self {
        Self { file: Cursor::new(bytes), read }
    }
}

impl Read for Metered<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let length = self.file.read(buffer)?;
        self.read.set(self.read.get() + length);
        Ok(length)
    }
}

impl Seek for Metered<'_> {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        self.file.seek(to)
    }
}
