//! Registering views, and bounding what is kept for them.

use std::sync::Arc;

use super::committer::Committer;
use super::view::View;
use super::views::Ticket;
use super::Settled;

impl<S: Settled> Committer<S> {
    /// Registers a view of this moment.
    pub(crate) fn view(self: &Arc<Self>) -> View<S> {
        let (ticket, tables) = self.views.register(|| (self.published(), self.tables.load_full()));
        View::new(Arc::clone(self), ticket, tables)
    }

    pub(super) fn end_view(&self, ticket: &Ticket) {
        self.views.remove(ticket);
        self.drop_unneeded();
    }

    /// Nothing is kept for the view any more; what was is dropped later. Takes no commit lock.
    pub(super) fn leave_view(&self, ticket: &Ticket) {
        self.views.remove(ticket);
    }

    /// Drops the retired memtables that no view needs any more.
    fn drop_unneeded(&self) {
        if self.tables.load().retired.is_empty() {
            return;
        }
        self.exchange_tables(|tables, registered| {
            let oldest = registered.oldest();
            tables.retired.retain(|table| !table.is_unneeded(oldest));
        });
    }

    /// How many rows are kept for views alone.
    pub(crate) fn view_rows(&self) -> u64 {
        let tables = self.tables.load();
        let retired: usize = tables.retired.iter().map(|table| table.rows()).sum();
        let pinned: usize = tables.all().map(|table| table.pinned_rows()).sum();
        (retired + pinned) as u64
    }

    /// Bytes that are kept for views alone.
    pub(crate) fn view_bytes(&self) -> u64 {
        let tables = self.tables.load();
        let retired: usize = tables.retired.iter().map(|table| table.bytes()).sum();
        let pinned: usize = tables.all().map(|table| table.pinned_bytes()).sum();
        (retired + pinned) as u64
    }

    /// How many views are registered.
    pub(crate) fn view_count(&self) -> usize {
        self.views.len()
    }

    /// Drops what was kept for views that have ended.
    pub(crate) fn sweep_views(&self) {
        self.drop_unneeded();
        self.tables.load().all().for_each(|table| table.sweep(self.published(), &self.views));
    }

    /// Ends the oldest views if what is kept for views takes too much. Writers and the checkpoint
    /// call this.
    pub(super) fn limit_view_memory(&self) {
        let most = self.options.view_memory;
        if self.views.len() == 0 || self.view_bytes() <= most {
            return;
        }
        self.sweep_views();
        // A little less than is allowed, so that the next commits need not do this again.
        while self.view_bytes() > most - most / 8 && self.views.end_oldest() {
            self.sweep_views();
        }
    }
}
