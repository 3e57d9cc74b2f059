/// The candidate most like `name`, ignoring case, if any is close enough to be a slip of the fingers.
///
/// Close means an edit distance of at most a third of the longer name (at least 1), or one being a prefix of the other.
pub fn nearest<'a>(name: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let wanted: Vec<char> = name.to_lowercase().chars().collect();
    candidates
        .into_iter()
        .filter_map(|candidate| {
            let found: Vec<char> = candidate.to_lowercase().chars().collect();
            let distance = edit_distance(&wanted, &found);
            let allowed = (wanted.len().max(found.len()) / 3).max(1);
            let prefix = wanted.len() >= 3 && (found.starts_with(&wanted) || wanted.starts_with(&found));
            (distance <= allowed || prefix).then_some((distance, candidate))
        })
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, candidate)| candidate)
}

/// Optimal string alignment: insertions, deletions, substitutions and swaps of neighbours cost 1.
fn edit_distance(a: &[char], b: &[char]) -> usize {
    let mut before: Vec<usize> = Vec::new();
    let mut last: Vec<usize> = (0..=b.len()).collect();
    for i in 1..=a.len() {
        let mut row = vec![i; b.len() + 1];
        for j in 1..=b.len() {
            let cost = usize::from(a[i - 1] != b[j - 1]);
            row[j] = (last[j] + 1).min(row[j - 1] + 1).min(last[j - 1] + cost);
            if i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] {
                row[j] = row[j].min(before[j - 2] + 1);
            }
        }
        before = std::mem::replace(&mut last, row);
    }
    last[b.len()]
}

#[cfg(test)]
mod tests {
    use super::nearest;

    #[test]
    fn finds_slips_and_refuses_strangers() {
        let tables = ["users", "orders", "order_items"];
        assert_eq!(nearest("usres", tables), Some("users"));
        assert_eq!(nearest("ORDER", tables), Some("orders"));
        assert_eq!(nearest("payments", tables), None);
    }
}
