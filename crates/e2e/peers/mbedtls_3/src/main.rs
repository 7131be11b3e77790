//! Starts the client of `../mbedtls_client.c`.

use std::ffi::{CString, c_char, c_int};
use std::os::unix::ffi::OsStringExt;

// Linked for the library that it builds.
use mbedtls_rs_sys as _;

unsafe extern "C" {
    fn client_main(count: c_int, arguments: *const *const c_char) -> c_int;
}

fn main() {
    let arguments: Vec<CString> = std::env::args_os()
        .map(|argument| CString::new(argument.into_vec()).expect("arguments have no zero bytes"))
        .collect();
    let pointers: Vec<*const c_char> = arguments.iter().map(|argument| argument.as_ptr()).collect();
    // SAFETY: the array has as many valid strings as it says, and outlives the call.
    std::process::exit(unsafe { client_main(pointers.len() as c_int, pointers.as_ptr()) });
}
