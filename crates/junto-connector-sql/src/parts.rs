//! Reading one plan in parts: the queue of parts that several connections share.

use std::collections::VecDeque;
use std::sync::{Mutex, PoisonError};

/// Parts that are still to be read. Whoever is free takes the next one, so that parts of unequal size do no harm.
#[derive(Debug)]
pub struct PartQueue<T> {
    waiting: Mutex<VecDeque<T>>,
}

impl<T> PartQueue<T> {
    /// A queue of these parts, first to last.
    pub fn new(parts: impl IntoIterator<Item = T>) -> Self {
        Self { waiting: Mutex::new(parts.into_iter().collect()) }
    }

    /// The next part, for whoever asks first.
    pub fn take(&self) -> Option<T> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner).pop_front()
    }

    /// Parts nobody has taken yet.
    pub fn len(&self) -> usize {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner).len()
    }

    /// Whether every part was taken.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// Cuts the integers from `low` to `high` into at most `parts` ranges of equal width, as half-open pairs; the first has
/// no lower and the last no upper bound, so that values beyond the two (added since they were read) are covered too.
pub fn ranges(low: i64, high: i64, parts: usize) -> Vec<(Option<i64>, Option<i64>)> {
    let (low, high) = (i128::from(low), i128::from(high).max(i128::from(low)));
    let parts = (parts.max(1) as i128).min(high - low + 1);
    let bound = |part: i128| i64::try_from(low + (high - low + 1) * part / parts).ok();
    (0..parts)
        .map(|part| {
            let from = if part == 0 { None } else { bound(part) };
            let to = if part == parts - 1 { None } else { bound(part + 1) };
            (from, to)
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_meet_and_cover_everything() {
        for (low, high, parts) in [(0, 9, 3), (-5, 5, 4), (i64::MIN, i64::MAX, 7), (3, 3, 8), (9, 1, 2)] {
            let ranges = ranges(low, high, parts);
            assert!(!ranges.is_empty() && ranges.len() <= parts);
            assert_eq!(ranges[0].0, None);
            assert_eq!(ranges[ranges.len() - 1].1, None);
            for pair in ranges.windows(2) {
                assert_eq!(pair[0].1, pair[1].0);
                assert!(pair[0].1.is_some());
            }
        }
    }

    #[test]
    fn every_part_is_taken_once() {
        let queue = PartQueue::new(0..3);
        assert_eq!((queue.take(), queue.take(), queue.len()), (Some(0), Some(1), 1));
        assert_eq!((queue.take(), queue.take()), (Some(2), None));
        assert!(queue.is_empty());
    }
}
