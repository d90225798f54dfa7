//! A set of accounts that is filled while a network is walked through.

use crate::{accounts::AccountId, hash::Map};

/// Accounts of a block, and words that hold a bit for each of them.
const BLOCK: u32 = 512;
const WORDS: usize = (BLOCK / u64::BITS) as usize;

/// A set of accounts, in blocks of neighbouring numbers. The ties of an account are in order, so most accounts are in the block of the
/// account before and need no search.
#[derive(Default)]
pub(crate) struct AccountSet {
    /// By block: its place among the bits.
    places: Map<u32, usize>,
    bits: Vec<[u64; WORDS]>,
    /// The block of the last insertion, and its place.
    last: Option<(u32, usize)>,
}

impl AccountSet {
    /// Adds an account; `false` if it was present already.
    pub(crate) fn insert(&mut self, account: AccountId) -> bool {
        let block = account / BLOCK;
        let place = match self.last {
            Some((last, place)) if last == block => place,
            _ => {
                let next = self.bits.len();
                let place = *self.places.entry(block).or_insert(next);
                if place == next {
                    self.bits.push([0; WORDS]);
                }
                self.last = Some((block, place));
                place
            }
        };
        let (word, bit) = bit_of(account);
        let known = &mut self.bits[place][word];
        let is_new = *known & bit == 0;
        *known |= bit;
        is_new
    }

    pub(crate) fn contains(&self, account: AccountId) -> bool {
        let (word, bit) = bit_of(account);
        self.places.get(&(account / BLOCK)).is_some_and(|place| self.bits[*place][word] & bit != 0)
    }
}

/// The word of an account in its block, and its bit in the word.
fn bit_of(account: AccountId) -> (usize, u64) {
    let place = account % BLOCK;
    ((place / u64::BITS) as usize, 1 << (place % u64::BITS))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_account_is_in_the_set_once_whatever_the_order() {
        let mut set = AccountSet::default();
        let accounts = [0, 511, 512, 63, 64, AccountId::MAX, 513, 1_000_000, 1];
        assert!(accounts.iter().all(|account| !set.contains(*account) && set.insert(*account)));
        assert!(accounts.iter().all(|account| set.contains(*account) && !set.insert(*account)));
        assert!([2, 62, 65, 510, 514, AccountId::MAX - 1].iter().all(|account| !set.contains(*account)));
    }
}
