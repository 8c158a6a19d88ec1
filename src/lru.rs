//! A least-recently-used store bounded in bytes.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

/// Bytes that an entry costs beside its value and key: the map's own nodes, roughly.
const OVERHEAD: usize = 96;

/// Values by exact keys; the least recently used go first when the bound is reached.
pub(crate) struct Lru<V> {
    entries: HashMap<Arc<[u8]>, LruEntry<V>>,
    /// Keys by the time of their last use.
    order: BTreeMap<u64, Arc<[u8]>>,
    clock: u64,
    bytes: usize,
    bound: usize,
}

struct LruEntry<V> {
    value: V,
    bytes: usize,
    used: u64,
}

impl<V: Clone> Lru<V> {
    pub(crate) fn new(bound: usize) -> Self {
        Self {
            entries: HashMap::new(),
            order: BTreeMap::new(),
            clock: 0,
            bytes: 0,
            bound,
        }
    }

    /// The value, which counts as used now.
    pub(crate) fn get(&mut self, key: &[u8]) -> Option<V> {
        let entry = self.entries.get_mut(key)?;
        self.clock += 1;
        if let Some(key) = self.order.remove(&entry.used) {
            self.order.insert(self.clock, key);
        }
        entry.used = self.clock;
        Some(entry.value.clone())
    }

    /// Keeps a value of this many bytes. One larger than the bound is not kept.
    pub(crate) fn insert(&mut self, key: &[u8], value: V, value_bytes: usize) {
        self.remove(key);
        let bytes = value_bytes + 2 * key.len() + OVERHEAD;
        if bytes > self.bound {
            return;
        }
        while self.bytes + bytes > self.bound {
            let Some((_, oldest)) = self.order.pop_first() else {
                break;
            };
            if let Some(entry) = self.entries.remove(&oldest) {
                self.bytes -= entry.bytes;
            }
        }
        self.clock += 1;
        let (key, used): (Arc<[u8]>, _) = (key.into(), self.clock);
        self.order.insert(used, key.clone());
        self.entries.insert(key, LruEntry { value, bytes, used });
        self.bytes += bytes;
    }

    pub(crate) fn remove(&mut self, key: &[u8]) {
        if let Some(entry) = self.entries.remove(key) {
            self.order.remove(&entry.used);
            self.bytes -= entry.bytes;
        }
    }

    pub(crate) fn clear(&mut self) {
        self.entries.clear();
        self.order.clear();
        self.bytes = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_least_recently_used_goes_first_and_the_bound_holds() {
        let cost = 100 + 2 + OVERHEAD;
        let mut lru = Lru::new(3 * cost);
        for (key, value) in [(b"a", 1), (b"b", 2), (b"c", 3)] {
            lru.insert(key, value, 100);
        }
        assert_eq!(lru.get(b"a"), Some(1));
        lru.insert(b"d", 4, 100);
        assert_eq!(lru.get(b"b"), None, "b was used longest ago");
        assert_eq!(
            (lru.get(b"a"), lru.get(b"c"), lru.get(b"d")),
            (Some(1), Some(3), Some(4))
        );
        assert_eq!(lru.bytes, 3 * cost);
        lru.insert(b"a", 9, 100);
        assert_eq!((lru.get(b"a"), lru.bytes), (Some(9), 3 * cost));
        lru.insert(b"x", 0, 10 * cost);
        assert_eq!(lru.get(b"x"), None, "larger than everything");
        assert_eq!(lru.get(b"a"), Some(9));
        lru.clear();
        assert_eq!((lru.get(b"a"), lru.bytes, lru.order.len()), (None, 0, 0));
    }
}
