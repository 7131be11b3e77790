//! DTLS against software that we did not write: OpenSSL, GnuTLS, libcoap's programs and mbedTLS.
#![expect(clippy::unwrap_used, reason = "a test fails where it stands")]

mod gnutls;
mod libcoap;
mod mbedtls;
mod openssl;
mod station;
