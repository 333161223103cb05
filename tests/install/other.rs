//! Another Rust library, such as may stand beside sledstore in one C program.

/// Panics and catches it: true when that worked.
#[no_mangle]
pub extern "C" fn other_catches_a_panic() -> bool {
    std::panic::catch_unwind(|| panic!("a panic of the other library")).is_err()
}
