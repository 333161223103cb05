//! What the functions of a callback struct are given, and its end.

use std::ffi::c_void;

use crate::capi::boundary::fork;

/// A function that ends the use of a context.
pub(crate) type Destroy = unsafe extern "C" fn(ctx: *mut c_void);

/// The context of a callback struct of the caller's. It is destroyed when this is dropped.
pub(crate) struct Context {
    ctx: *mut c_void,
    destroy: Option<Destroy>,
}

// SAFETY: the manual says of each callback struct on which threads its functions are called; the
// library itself only passes the pointer on.
unsafe impl Send for Context {}
// SAFETY: as above.
unsafe impl Sync for Context {}

impl Context {
    /// `destroy` is called with `ctx`, once.
    pub(crate) fn new(ctx: *mut c_void, destroy: Option<Destroy>) -> Self {
        Self { ctx, destroy }
    }

    pub(crate) fn pointer(&self) -> *mut c_void {
        self.ctx
    }
}

impl Drop for Context {
    fn drop(&mut self) {
        // What the callback has is the parent's too.
        if let Some(destroy) = self.destroy.filter(|_| !fork::happened()) {
            // SAFETY: the manual: "a function in a callback struct is a function of that type, which
            // may be called until destroy was". This is the only place that calls it, once.
            unsafe { destroy(self.ctx) }
        }
    }
}
