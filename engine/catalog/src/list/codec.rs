//! Users of a list as bytes: ascending numbers as gaps and runs, in parts that stand alone.
//!
//! A part is a sequence of tokens. A token is a number in LEB128: twice the gap to the number before (for the first: the
//! number itself), plus one if a run follows; then, if one does, how many numbers more than two the run has, in LEB128 as well.
//! Dense ids cost next to nothing, ids a few apart one byte, random 64-bit ids about eight.

/// Bytes of a part at most; every database takes a value of that size.
pub(super) const PART_BYTES_MAX: usize = 1 << 20;
/// A token is not longer than this: two numbers of ten bytes.
const TOKEN_BYTES_MAX: usize = 20;

/// Some users of a list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Part {
    pub users: u64,
    pub bytes: Vec<u8>,
}

/// Ascending numbers, each once, as parts.
pub(super) fn encode(ids: &[u64]) -> Vec<Part> {
    let mut parts = Vec::new();
    let mut part = Part { users: 0, bytes: Vec::new() };
    let (mut at, mut before) = (0, None);
    while at < ids.len() {
        if part.bytes.len() + TOKEN_BYTES_MAX > PART_BYTES_MAX {
            parts.push(std::mem::replace(&mut part, Part { users: 0, bytes: Vec::new() }));
            before = None;
        }
        let first = ids[at];
        let mut run = 1;
        while at + run < ids.len() && ids[at + run] - first == run as u64 {
            run += 1;
        }
        let gap = first - before.unwrap_or(0);
        put(&mut part.bytes, u128::from(gap) << 1 | u128::from(run > 1));
        if run > 1 {
            put(&mut part.bytes, run as u128 - 2);
        }
        part.users += run as u64;
        before = Some(ids[at + run - 1]);
        at += run;
    }
    if part.users > 0 {
        parts.push(part);
    }
    parts
}

/// Adds the numbers of a part, which has `users` of them, all greater than what is there. `None` if its bytes are not such a
/// part.
pub(super) fn decode(bytes: &[u8], users: u64, into: &mut Vec<u64>) -> Option<()> {
    let end = into.len().checked_add(usize::try_from(users).ok()?)?;
    let (mut at, mut before): (usize, Option<u64>) = (0, None);
    while at < bytes.len() {
        let token = take(bytes, &mut at)?;
        let gap = u64::try_from(token >> 1).ok()?;
        let run = if token & 1 == 1 { take(bytes, &mut at)?.checked_add(2)? } else { 1 };
        let first = match before {
            Some(before) if gap > 0 => before.checked_add(gap)?,
            Some(_) => return None,
            None => gap,
        };
        if into.last().is_some_and(|last| *last >= first) {
            return None;
        }
        let run = usize::try_from(run).ok().filter(|run| *run <= end - into.len())?;
        let last = first.checked_add(run as u64 - 1)?;
        into.extend(first..=last);
        before = Some(last);
    }
    (into.len() == end).then_some(())
}

fn put(bytes: &mut Vec<u8>, mut number: u128) {
    while number >= 0x80 {
        bytes.push(number as u8 | 0x80);
        number >>= 7;
    }
    bytes.push(number as u8);
}

fn take(bytes: &[u8], at: &mut usize) -> Option<u128> {
    let mut number = 0;
    for shift in (0..70).step_by(7) {
        let byte = *bytes.get(*at)?;
        *at += 1;
        number |= u128::from(byte & 0x7f) << shift;
        if byte < 0x80 {
            return Some(number);
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn back(parts: &[Part]) -> Option<Vec<u64>> {
        let mut ids = Vec::new();
        for part in parts {
            decode(&part.bytes, part.users, &mut ids)?;
        }
        Some(ids)
    }

    /// Ascending numbers with runs, small gaps and great ones.
    fn ids() -> impl Strategy<Value = Vec<u64>> {
        let step = prop_oneof![3 => Just(1u64), 3 => 2u64..300, 1 => any::<u64>()];
        (any::<u64>(), any::<bool>(), prop::collection::vec(step, 0..400)).prop_map(|(first, zero, steps)| {
            let mut ids = vec![if zero { 0 } else { first }];
            for step in steps {
                let last = ids[ids.len() - 1];
                ids.extend(last.checked_add(step).filter(|next| *next > last));
            }
            ids
        })
    }

    proptest! {
        #[test]
        fn what_goes_in_comes_out(ids in ids()) {
            prop_assert_eq!(back(&encode(&ids)), Some(ids));
        }

        #[test]
        fn any_bytes_are_read_or_refused(bytes: Vec<u8>, users in 0u64..2_000) {
            let mut ids = Vec::new();
            if decode(&bytes, users, &mut ids).is_some() {
                prop_assert_eq!(ids.len() as u64, users);
                prop_assert!(ids.is_sorted());
            }
        }
    }

    #[test]
    fn the_ends_of_the_range() {
        for ids in [vec![], vec![0], vec![u64::MAX], vec![0, u64::MAX], vec![u64::MAX - 1, u64::MAX]] {
            assert_eq!(back(&encode(&ids)).unwrap(), ids);
        }
    }

    #[test]
    fn parts_are_small_and_stand_alone() {
        let ids: Vec<u64> = (0..1_500_000u64).map(|at| at * 1_000_003).collect();
        let parts = encode(&ids);
        assert!(parts.len() > 1 && parts.iter().all(|part| part.bytes.len() <= PART_BYTES_MAX));
        assert_eq!(back(&parts).unwrap(), ids);
        let mut second = Vec::new();
        decode(&parts[1].bytes, parts[1].users, &mut second).unwrap();
        assert_eq!(second[0], ids[parts[0].users as usize]);
    }
}
