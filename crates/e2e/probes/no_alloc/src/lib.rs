//! Links what a microcontroller without a heap uses: the contract, the CoAP codec, flash and banks. A
//! dependency that allocates asks for a global allocator, and this library no longer compiles.
#![no_std]

use coap as _;
use firmware as _;
use machine as _;

#[panic_handler]
fn panic(_: &core::panic::PanicInfo<'_>) -> ! {
    loop {}
}
