//! Which threads take the signals of the process: none of ours, and none of sled's.
//!
//! A service blocks the signals that it takes by `signalfd` or `sigwait`, mostly after it has opened
//! its store. A thread that was started before, and blocks nothing, would take such a signal instead,
//! and the process would end. So all signals are blocked while a thread is started, which starts with
//! them blocked then.
//!
//! sled starts the threads of its pool in whichever thread calls it, at any time. So this stands in
//! for `pthread_create` as `interpose/mod.rs` does for others, and acts only inside a call into sled.
//! Everybody else's threads start as they would have. Who calls a raw tree of sled's is everybody else.

use std::cell::Cell;
use std::ffi::{c_int, c_void};
use std::mem::MaybeUninit;
use std::sync::atomic::{AtomicPtr, Ordering};

use crate::engine::interpose::stand_in;

type Start = extern "C" fn(*mut c_void) -> *mut c_void;
type Create = unsafe extern "C" fn(
    *mut libc::pthread_t,
    *const libc::pthread_attr_t,
    Start,
    *mut c_void,
) -> c_int;

/// libc's `pthread_create`, once it has been looked up.
static REAL_CREATE: AtomicPtr<c_void> = AtomicPtr::new(std::ptr::null_mut());

thread_local! {
    /// Whether this thread is inside a call into sled.
    static IN_SLED: Cell<bool> = const { Cell::new(false) };
}

/// To be called before sled is opened, for the reason that `interpose::prepare` has.
pub(crate) fn prepare() {
    let _ = real_create();
}

/// Makes a call into sled, which does not unwind: the threads that it starts take no signals.
pub(crate) fn in_sled<T>(call: impl FnOnce() -> T) -> T {
    let before = IN_SLED.replace(true);
    let result = call();
    IN_SLED.set(before);
    result
}

/// Whether this thread is inside a call into sled.
pub(crate) fn is_in_sled() -> bool {
    IN_SLED.get()
}

/// Does `work`, which does not unwind, with all signals blocked: the threads that it starts take none.
/// A signal that comes meanwhile comes after it.
pub(crate) fn blocked<T>(work: impl FnOnce() -> T) -> T {
    let (mut all, mut before) = (MaybeUninit::uninit(), MaybeUninit::uninit());
    // SAFETY: both pointers are to a `sigset_t` each, which `sigfillset` and `pthread_sigmask` fill
    // before anybody reads it.
    unsafe {
        libc::sigfillset(all.as_mut_ptr());
        libc::pthread_sigmask(libc::SIG_SETMASK, all.as_ptr(), before.as_mut_ptr());
    }
    let result = work();
    // SAFETY: the call above has filled `before`: it fails only for a `how` that does not exist. A
    // null pointer asks for no answer.
    unsafe { libc::pthread_sigmask(libc::SIG_SETMASK, before.as_ptr(), std::ptr::null_mut()) };
    result
}

stand_in!(pthread_create);

/// What our `pthread_create` does: the same as libc's, and a thread of sled's starts with all signals
/// blocked.
extern "C" fn pthread_create(
    thread: *mut libc::pthread_t,
    attributes: *const libc::pthread_attr_t,
    start: Start,
    argument: *mut c_void,
) -> c_int {
    let Some(real) = real_create() else { return libc::EAGAIN };
    // SAFETY: the arguments are the caller's own, and this is the function that he has called.
    let create = || unsafe { real(thread, attributes, start, argument) };
    match IN_SLED.get() {
        true => blocked(create),
        false => create(),
    }
}

/// libc's `pthread_create`, or that of a library that was loaded before it.
fn real_create() -> Option<Create> {
    let mut found = REAL_CREATE.load(Ordering::Relaxed);
    if found.is_null() {
        // SAFETY: the name ends with a zero byte. Hidden symbols, as ours, are not found.
        found = unsafe { libc::dlsym(libc::RTLD_DEFAULT, c"pthread_create".as_ptr()) };
        if found.is_null() {
            found = linked_create();
        }
        REAL_CREATE.store(found, Ordering::Relaxed);
    }
    // SAFETY: a function with this name is libc's, or can be called as if it were.
    (!found.is_null()).then(|| unsafe { std::mem::transmute::<*mut c_void, Create>(found) })
}

/// glibc's `pthread_create` under its other name, which only a program has that was linked without a
/// dynamic linker; null in others.
fn linked_create() -> *mut c_void {
    let found: *mut c_void;
    // SAFETY: it reads the address of a symbol, which is zero where there is none, from the table that
    // the linker makes.
    #[cfg(target_arch = "x86_64")]
    unsafe {
        core::arch::asm!(
            ".weak __pthread_create",
            "mov {}, qword ptr [rip + __pthread_create@GOTPCREL]",
            out(reg) found,
            options(nostack, preserves_flags),
        )
    };
    // SAFETY: as above.
    #[cfg(target_arch = "aarch64")]
    unsafe {
        core::arch::asm!(
            ".weak __pthread_create",
            "adrp {0}, :got:__pthread_create",
            "ldr {0}, [{0}, :got_lo12:__pthread_create]",
            out(reg) found,
            options(nostack, preserves_flags),
        )
    };
    found
}

unsafe extern "C" {
    /// Never called.
    fn thrd_create();
}

/// A linker takes only what is needed out of an archive, and a weak symbol needs nothing. This does need
/// the function above, through another one of glibc's.
#[used]
static NEEDS_IT: unsafe extern "C" fn() = thrd_create;
