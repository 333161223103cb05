//! Gives the shared library its name for the linker, and the library its own description.

use std::env;

fn main() {
    println!("cargo:rerun-if-changed=build.rs");
    let target = env::var("TARGET").expect("cargo sets TARGET");
    let profile = env::var("PROFILE").expect("cargo sets PROFILE");
    println!("cargo:rustc-env=SLEDSTORE_TARGET={target}");
    println!("cargo:rustc-env=SLEDSTORE_PROFILE={profile}");

    if env::var("CARGO_CFG_TARGET_OS").is_ok_and(|os| os == "linux") {
        // Before 1.0 the name carries a 0: programs find the library by it, not by the file name.
        println!("cargo:rustc-cdylib-link-arg=-Wl,-soname,libsledstore.so.0");
        // The engine's threads and the handlers for threads' ends must not be unmapped by dlclose.
        println!("cargo:rustc-cdylib-link-arg=-Wl,-z,nodelete");
    }
}
