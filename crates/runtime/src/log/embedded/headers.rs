//! Headers of a record as bytes.

/// Headers as stored: for each header the name's length, the name, the value's length, the value.
/// Lengths are u32, little-endian.
pub(super) fn encode_headers(headers: &[(String, Vec<u8>)]) -> Option<Vec<u8>> {
    if headers.is_empty() {
        return None;
    }
    let mut bytes = Vec::new();
    for (name, value) in headers {
        for part in [name.as_bytes(), value.as_slice()] {
            bytes.extend_from_slice(&(part.len() as u32).to_le_bytes());
            bytes.extend_from_slice(part);
        }
    }
    Some(bytes)
}

pub(super) fn decode_headers(mut bytes: &[u8]) -> Vec<(String, Vec<u8>)> {
    fn part<'a>(bytes: &mut &'a [u8]) -> Option<&'a [u8]> {
        let (length, rest) = bytes.split_first_chunk::<4>()?;
        let (part, rest) = rest.split_at_checked(u32::from_le_bytes(*length) as usize)?;
        *bytes = rest;
        Some(part)
    }
    let mut headers = Vec::new();
    while let (Some(name), Some(value)) = (part(&mut bytes), part(&mut bytes)) {
        headers.push((String::from_utf8_lossy(name).into_owned(), value.to_vec()));
    }
    headers
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn headers_come_back_as_they_were(headers: Vec<(String, Vec<u8>)>) {
            let stored = encode_headers(&headers).unwrap_or_default();
            prop_assert_eq!(decode_headers(&stored), headers);
        }

        #[test]
        fn damaged_headers_do_not_panic(bytes: Vec<u8>) {
            decode_headers(&bytes);
        }
    }
}
