//! Ids of posts and accounts, which do not tell in which order a world was made.

use coordination::Millis;

/// Ids count milliseconds from here (2020-01-01), above 22 bits of their own.
pub(crate) const ID_EPOCH: Millis = 1_577_836_800_000;
const SERIAL_BITS: u32 = 22;

/// The id of a post of this time, with its serial number in the world.
pub(crate) fn id(at: Millis, serial: u64) -> String {
    format!("{:019}", number(at, serial))
}

/// The number that the id spells.
pub(crate) fn number(at: Millis, serial: u64) -> u64 {
    ((at - ID_EPOCH).max(0) as u64) << SERIAL_BITS | mix(serial, SERIAL_BITS)
}

/// A one-to-one shuffle of the numbers of so many bits, so that ids do not tell in which order a world was made.
pub(crate) fn mix(value: u64, bits: u32) -> u64 {
    let mask = (1 << bits) - 1;
    let mut value = value & mask;
    for odd in [0x9E37_79B9_7F4A_7C15, 0xBF58_476D_1CE4_E5B9] {
        value ^= value >> (bits / 2);
        value = value.wrapping_mul(odd) & mask;
    }
    value ^ (value >> (bits / 2))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mixing_is_one_to_one() {
        let mut seen: Vec<u64> = (0..1 << 12).map(|value| mix(value, 12)).collect();
        seen.sort_unstable();
        assert!(seen.iter().enumerate().all(|(place, value)| place as u64 == *value));
    }
}
