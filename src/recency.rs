//! A map that knows which of its entries was used longest ago.

use std::borrow::Borrow;
use std::collections::HashMap;
use std::hash::Hash;

use slab::Slab;

#[derive(Debug)]
struct Node<K, V> {
    key: K,
    value: V,
    newer: Option<usize>,
    older: Option<usize>,
}

/// Entries by key, in a list from the latest used to the one used longest ago. Every call takes constant time.
#[derive(Debug)]
pub(crate) struct Recency<K, V> {
    index: HashMap<K, usize>,
    nodes: Slab<Node<K, V>>,
    newest: Option<usize>,
    oldest: Option<usize>,
}

impl<K, V> Default for Recency<K, V> {
    fn default() -> Self {
        Self { index: HashMap::new(), nodes: Slab::new(), newest: None, oldest: None }
    }
}

impl<K: Hash + Eq + Clone, V> Recency<K, V> {
    pub(crate) fn len(&self) -> usize {
        self.nodes.len()
    }

    /// Where the entry of this key is; it becomes the latest used.
    pub(crate) fn touch<Q: Hash + Eq + ?Sized>(&mut self, key: &Q) -> Option<usize>
    where
        K: Borrow<Q>,
    {
        let at = *self.index.get(key)?;
        if self.newest != Some(at) {
            self.unlink(at);
            self.link(at);
        }
        Some(at)
    }

    /// Where the next entry will be.
    pub(crate) fn vacancy(&self) -> usize {
        self.nodes.vacant_key()
    }

    /// Adds an entry as the latest used. The key must be a new one.
    pub(crate) fn insert(&mut self, key: K, value: V) -> usize {
        let at = self.nodes.insert(Node { key: key.clone(), value, newer: None, older: None });
        self.index.insert(key, at);
        self.link(at);
        at
    }

    pub(crate) fn at(&mut self, at: usize) -> Option<(&K, &mut V)> {
        self.nodes.get_mut(at).map(|node| (&node.key, &mut node.value))
    }

    /// The entry used longest ago.
    pub(crate) fn oldest(&self) -> Option<(usize, &V)> {
        let at = self.oldest?;
        self.nodes.get(at).map(|node| (at, &node.value))
    }

    /// All entries, in no order.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (&K, &V)> {
        self.nodes.iter().map(|(_, node)| (&node.key, &node.value))
    }

    /// Takes an entry out.
    pub(crate) fn remove(&mut self, at: usize) -> Option<V> {
        self.nodes.get(at)?;
        self.unlink(at);
        let node = self.nodes.remove(at);
        self.index.remove(&node.key);
        Some(node.value)
    }

    fn link(&mut self, at: usize) {
        let second = self.newest.replace(at);
        if let Some(node) = self.nodes.get_mut(at) {
            (node.newer, node.older) = (None, second);
        }
        match second.and_then(|second| self.nodes.get_mut(second)) {
            Some(second) => second.newer = Some(at),
            None => self.oldest = Some(at),
        }
    }

    fn unlink(&mut self, at: usize) {
        let Some(node) = self.nodes.get(at) else { return };
        let (newer, older) = (node.newer, node.older);
        match newer.and_then(|newer| self.nodes.get_mut(newer)) {
            Some(newer) => newer.older = older,
            None => self.newest = older,
        }
        match older.and_then(|older| self.nodes.get_mut(older)) {
            Some(older) => older.newer = newer,
            None => self.oldest = newer,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::handlers::Random;

    #[test]
    fn it_does_what_a_plain_list_does() {
        let mut random = Random::new(5);
        let mut recency = Recency::default();
        let mut list: Vec<u64> = Vec::new();
        for _ in 0..20_000 {
            let key = random.within(&(0..=40));
            match (random.within(&(0..=3)), list.iter().position(|&other| other == key)) {
                (0, Some(at)) => {
                    let place = recency.touch(&key).unwrap();
                    assert_eq!(recency.remove(place), Some(key * 2));
                    list.remove(at);
                }
                (_, Some(at)) => {
                    recency.touch(&key).unwrap();
                    list.remove(at);
                    list.push(key);
                }
                (_, None) => {
                    assert_eq!(recency.touch(&key), None);
                    recency.insert(key, key * 2);
                    list.push(key);
                }
            }
            assert_eq!(recency.len(), list.len());
            assert_eq!(recency.oldest().map(|(_, &value)| value), list.first().map(|key| key * 2));
        }
    }
}
