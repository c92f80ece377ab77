//! Items that are handled together.

use super::item::ItemId;
use std::collections::{BTreeMap, HashSet};

/// Items that a consumer is given together, in the order in which they were queued; none is in it twice.
///
/// A handler that gives back `Ok` has settled all of them, those that it has dropped included.
#[derive(Debug)]
pub struct Batch<T> {
    items: Vec<T>,
    ids: Vec<ItemId>,
    deliveries: u64,
}

impl<T> Batch<T> {
    /// Each item once. An item may have been queued twice, where the first answer was lost.
    pub(super) fn new(items: Vec<(ItemId, T)>, deliveries: u64) -> Self {
        let mut seen = HashSet::with_capacity(items.len());
        let (ids, items) = items.into_iter().filter(|(id, _)| seen.insert(*id)).unzip();
        Self { items, ids, deliveries }
    }

    /// The items.
    pub fn items(&self) -> &[T] {
        &self.items
    }

    /// Their names, in the same order.
    pub fn ids(&self) -> &[ItemId] {
        &self.ids
    }

    /// The items with their names.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = (ItemId, &T)> {
        self.ids.iter().copied().zip(&self.items)
    }

    /// The items themselves.
    pub fn into_items(self) -> Vec<T> {
        self.items
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.items.len()
    }

    /// Whether there are none: only after [`retain`](Self::retain).
    pub fn is_empty(&self) -> bool {
        self.items.is_empty()
    }

    /// How often these items were delivered, this time included. One is no promise that they are new: an item may have been queued twice.
    pub fn deliveries(&self) -> u64 {
        self.deliveries
    }

    /// Keeps those items for which this is true: those whose effect is not in the database yet.
    pub fn retain(&mut self, mut keep: impl FnMut(ItemId, &T) -> bool) {
        let kept: Vec<bool> = self.iter().map(|(id, item)| keep(id, item)).collect();
        let mut of_items = kept.iter();
        self.items.retain(|_| of_items.next().is_some_and(|kept| *kept));
        let mut of_ids = kept.iter();
        self.ids.retain(|_| of_ids.next().is_some_and(|kept| *kept));
    }

    /// Adds numbers up by keys, so that a hundred increments of one counter become one UPDATE. The keys are in their order: consumers that update rows in this order don't block each
    /// other. A sum that is no `i64` stops at its end.
    pub fn sums<K: Ord>(&self, number: impl Fn(&T) -> (K, i64)) -> BTreeMap<K, i64> {
        let mut sums = BTreeMap::new();
        for item in &self.items {
            let (key, by) = number(item);
            let sum: &mut i64 = sums.entry(key).or_default();
            *sum = sum.saturating_add(by);
        }
        sums
    }
}

impl<T> IntoIterator for Batch<T> {
    type Item = (ItemId, T);
    type IntoIter = std::iter::Zip<std::vec::IntoIter<ItemId>, std::vec::IntoIter<T>>;

    fn into_iter(self) -> Self::IntoIter {
        self.ids.into_iter().zip(self.items)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(number: u8) -> ItemId {
        [number; 16].into()
    }

    #[test]
    fn an_item_that_was_queued_twice_is_there_once_and_sums_know_their_end() {
        let mut batch =
            Batch::new(vec![(id(1), ("a", 1)), (id(2), ("b", i64::MAX)), (id(1), ("a", 1)), (id(3), ("b", 5)), (id(4), ("a", -4))], 1);
        assert_eq!((batch.len(), batch.ids()), (4, &[id(1), id(2), id(3), id(4)][..]));
        assert_eq!(batch.sums(|(key, by)| (*key, *by)), [("a", -3), ("b", i64::MAX)].into());
        batch.retain(|kept, _| kept != id(2));
        assert_eq!(batch.iter().collect::<Vec<_>>(), [(id(1), &("a", 1)), (id(3), &("b", 5)), (id(4), &("a", -4))]);
        batch.retain(|_, _| false);
        assert!(batch.is_empty() && batch.ids().is_empty());
    }
}
