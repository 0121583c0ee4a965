//! Merkle trees of RFC 9162, section 2.1. A leaf is `SHA-256(0x00 || data)`, a node `SHA-256(0x01 || left || right)`.
//! The root of no leaves is the SHA-256 of nothing.

use crate::Digest;

/// Returns the hash of a leaf.
#[must_use]
pub fn leaf_hash(data: &[u8]) -> Digest {
    Digest::of(&[&[0], data].concat())
}

fn node_hash(left: &Digest, right: &Digest) -> Digest {
    Digest::of(&[&[1], &left.0[..], &right.0[..]].concat())
}

/// A tree that grows leaf by leaf and keeps only the digests that its root needs: one for each bit set in its size.
#[derive(Clone, Debug, Default)]
pub struct Tree {
    size: u64,
    /// Roots of full trees, the largest first, one for each bit set in `size`.
    full: Vec<Digest>,
}

impl Tree {
    /// Adds the hash of the next leaf.
    pub fn push(&mut self, leaf: Digest) {
        let mut node = leaf;
        for _ in 0..self.size.trailing_ones() {
            if let Some(left) = self.full.pop() {
                node = node_hash(&left, &node);
            }
        }
        self.full.push(node);
        self.size += 1;
    }

    /// Returns the number of leaves.
    #[must_use]
    pub fn size(&self) -> u64 {
        self.size
    }

    /// Returns the roots of the full trees, the largest first: one for each bit set in the size. With the size they
    /// are the whole state, for a tree that continues later.
    #[must_use]
    pub fn peaks(&self) -> &[Digest] {
        &self.full
    }

    /// Continues a tree of `size` leaves with its [`peaks`](Self::peaks). `None` if their number does not fit the size.
    #[must_use]
    pub fn from_peaks(size: u64, peaks: Vec<Digest>) -> Option<Self> {
        (size.count_ones() as usize == peaks.len()).then_some(Self { size, full: peaks })
    }

    /// Returns the root over the leaves so far.
    #[must_use]
    pub fn root(&self) -> Digest {
        let mut smallest_first = self.full.iter().rev();
        let Some(smallest) = smallest_first.next() else { return Digest::of(&[]) };
        smallest_first.fold(*smallest, |right, left| node_hash(left, &right))
    }
}

impl FromIterator<Digest> for Tree {
    fn from_iter<I: IntoIterator<Item = Digest>>(leaves: I) -> Self {
        let mut tree = Self::default();
        leaves.into_iter().for_each(|leaf| tree.push(leaf));
        tree
    }
}

/// Returns the inclusion proof of a leaf (RFC 9162, 2.1.3.1): the neighbours on the path to the root, the lowest first.
/// `None` if the index is out of range.
#[must_use]
pub fn inclusion_path(leaves: &[Digest], index: usize) -> Option<Vec<Digest>> {
    if index >= leaves.len() {
        return None;
    }
    if leaves.len() == 1 {
        return Some(Vec::new());
    }
    // The largest power of two that is smaller than the number of leaves.
    let split = leaves.len().next_power_of_two() / 2;
    let (left, right) = leaves.split_at(split);
    let (mut path, neighbour) = if index < split {
        (inclusion_path(left, index)?, right)
    } else {
        (inclusion_path(right, index - split)?, left)
    };
    path.push(neighbour.iter().copied().collect::<Tree>().root());
    Some(path)
}

/// Returns the root for a leaf and its inclusion proof (RFC 9162, 2.1.3.2), or `None` if the path has the wrong length.
#[must_use]
pub fn root_of_path(leaf: Digest, index: u64, size: u64, path: &[Digest]) -> Option<Digest> {
    if index >= size {
        return None;
    }
    let (mut node_index, mut last, mut node) = (index, size - 1, leaf);
    for neighbour in path {
        if last == 0 {
            return None;
        }
        if node_index % 2 == 1 || node_index == last {
            node = node_hash(neighbour, &node);
            while node_index % 2 == 0 && node_index != 0 {
                node_index /= 2;
                last /= 2;
            }
        } else {
            node = node_hash(&node, neighbour);
        }
        node_index /= 2;
        last /= 2;
    }
    (last == 0).then_some(node)
}
