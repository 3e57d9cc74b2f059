//! Random numbers that are the same on every machine and in every version: SplitMix64 (Steele, Lea and Flood, 2014).

/// A stream of numbers; the seed decides all of them.
#[derive(Debug, Clone)]
pub(super) struct Random(u64);

impl Random {
    pub(super) fn new(seed: u64) -> Self {
        Self(seed)
    }

    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// From 0 to `bound` - 1, all alike.
    pub(super) fn below(&mut self, bound: u64) -> u64 {
        self.next() % bound.max(1)
    }

    /// From 0 to `bound` - 1, small numbers far more often: an eighth of them gets over a third of the draws.
    pub(super) fn skewed(&mut self, bound: u64) -> u64 {
        let (first, second) = (self.below(1 << 20), self.below(1 << 20));
        (((first * second) >> 20) * bound) >> 20
    }

    /// One of the values, the first ones far more often.
    pub(super) fn favoured<'a, T>(&mut self, values: &'a [T]) -> &'a T {
        &values[self.skewed(values.len() as u64) as usize]
    }

    /// One of the values, all alike.
    pub(super) fn pick<'a, T>(&mut self, values: &'a [T]) -> &'a T {
        &values[self.below(values.len() as u64) as usize]
    }

    /// True in `percent` of 100 draws.
    pub(super) fn chance(&mut self, percent: u64) -> bool {
        self.below(100) < percent
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_never_change() {
        let mut random = Random::new(42);
        assert_eq!(random.next(), 0xbdd7_3226_2feb_6e95);
        assert!((0..1000).all(|_| random.skewed(10) < 10));
    }

    #[test]
    fn skewed_numbers_are_skewed() {
        let mut random = Random::new(1);
        let small = (0..10_000).filter(|_| random.skewed(800) < 100).count();
        assert!((3_300..4_500).contains(&small), "{small}");
    }
}
