//! Links every pure crate with a panic handler and an allocator of its own. A dependency that brings in
//! std brings a second panic handler, and this library no longer compiles.
#![no_std]

use core::alloc::{GlobalAlloc, Layout};

use coap as _;
use dtls as _;
use firmware as _;
use lwm2m as _;
use machine as _;

struct NoMemory;

// SAFETY: never hands out memory, so there is nothing to free or to alias.
unsafe impl GlobalAlloc for NoMemory {
    unsafe fn alloc(&self, _: Layout) -> *mut u8 {
        core::ptr::null_mut()
    }

    unsafe fn dealloc(&self, _: *mut u8, _: Layout) {}
}

#[global_allocator]
static ALLOCATOR: NoMemory = NoMemory;

#[panic_handler]
fn panic(_: &core::panic::PanicInfo<'_>) -> ! {
    loop {}
}
