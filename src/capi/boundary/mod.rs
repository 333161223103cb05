//! What every call from C goes through: the guard, the arguments, and who may use an object at once.

pub(crate) mod arguments;
pub(crate) mod context;
pub(crate) mod exclusive;
pub(crate) mod fork;
pub(crate) mod guard;
