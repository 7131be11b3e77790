//! Compiles the client against the mbedTLS that the dependency built.

fn main() {
    println!("cargo::rerun-if-changed=../mbedtls_client.c");
    let folders = std::env::var_os("DEP_MBEDTLS_INCLUDE").expect("mbedtls-rs-sys says where its headers are");
    cc::Build::new()
        .file("../mbedtls_client.c")
        .define("main", "client_main")
        .includes(std::env::split_paths(&folders))
        .compile("mbedtls_client");
}
