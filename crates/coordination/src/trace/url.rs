//! `url`: the same canonical URL.

use std::{borrow::Cow, collections::BTreeMap};

use url::Url;

use super::{Reader, Reading, Trace, TraceKind};
use crate::post::Post;

/// Parameters that say how a reader came, not what is read. A trailing `*` matches any ending.
const TRACKING: &[&str] = &[
    "utm_*",
    "fbclid",
    "gclid",
    "gclsrc",
    "dclid",
    "msclkid",
    "twclid",
    "yclid",
    "ysclid",
    "igshid",
    "igsh",
    "mc_cid",
    "mc_eid",
    "mkt_tok",
    "ref_src",
    "ref_url",
    "cmpid",
    "ncid",
    "ocid",
    "_ga",
    "_gl",
    "wt.mc_id",
    "spm",
    "at_*",
    "hsa_*",
    "pk_*",
    "mtm_*",
    "vero_id",
    "oly_enc_id",
    "oly_anon_id",
    "s_cid",
    "ito",
    "smid",
    "smtyp",
    "share",
    "feature",
    "__twitter_impression",
    "amp",
];
/// Sites whose links do not show where they lead: each posting has its own.
const SHORTENERS: &[&str] = &[
    "t.co",
    "bit.ly",
    "ow.ly",
    "goo.gl",
    "tinyurl.com",
    "buff.ly",
    "dlvr.it",
    "is.gd",
    "ift.tt",
    "fb.me",
    "j.mp",
    "wp.me",
    "lnkd.in",
    "tiny.cc",
    "shar.es",
    "su.pr",
    "po.st",
    "trib.al",
    "cutt.ly",
    "rebrand.ly",
    "shorturl.at",
    "t.ly",
    "rb.gy",
    "v.gd",
    "clck.ru",
    "t.cn",
    "dld.bz",
    "lnk.to",
    "soo.gd",
    "adf.ly",
    "bl.ink",
    "snip.ly",
    "x.co",
    "u.to",
    "ht.ly",
    "amzn.to",
    "nyti.ms",
    "wapo.st",
];
/// More links in a post than this are not read.
const MOST: usize = 10;

pub(super) struct Urls {
    short_links: BTreeMap<String, String>,
}

impl Urls {
    pub(super) fn new(short_links: BTreeMap<String, String>) -> Urls {
        Urls { short_links }
    }
}

impl Reader for Urls {
    fn read(&self, reading: &Reading<'_>, traces: &mut Vec<Trace>) {
        let before = traces.len();
        for link in reading.links() {
            let (mut key, mut source) = (link.key(), link.site().to_owned());
            if let Some(target) = self.short_links.get(&key).and_then(|target| Address::read(target)) {
                (key, source) = (target.key(), target.site().to_owned());
            }
            if !is_shortener(&source) && !traces[before..].iter().any(|t| t.key == key) {
                traces.push(Trace { kind: TraceKind::Url, key, source, source_kind: TraceKind::Url });
            }
        }
    }
}

/// Whether a site is a URL shortener.
fn is_shortener(site: &str) -> bool {
    SHORTENERS.contains(&site)
}

/// The URLs in a post.
pub(super) fn links<'p>(post: &'p Post<'_>) -> Vec<Address<'p>> {
    post.urls.iter().take(MOST).filter_map(|url| Address::read(url)).collect()
}

/// The parts of a URL that count.
#[derive(Debug, PartialEq)]
pub(super) struct Address<'t> {
    /// Lower-case, without the prefixes of mobile and AMP hosts.
    host: Cow<'t, str>,
    /// The start of its registrable domain in the host.
    site: usize,
    port: Option<u16>,
    path: Cow<'t, str>,
    query: Option<Cow<'t, str>>,
}

impl<'t> Address<'t> {
    /// `None` if it is not a web URL.
    pub(super) fn read(text: &'t str) -> Option<Address<'t>> {
        let text = text.trim();
        Address::plain(text).or_else(|| Address::any(text))
    }

    /// Parses a URL by the rules of WHATWG.
    fn any(text: &str) -> Option<Address<'static>> {
        let url = match Url::parse(text) {
            // No scheme has a dot: the part before the colon is a host, and the part after it is
            // its port.
            Ok(url) if !url.scheme().contains('.') => url,
            Ok(_) => Url::parse(&format!("https://{text}")).ok()?,
            Err(url::ParseError::RelativeUrlWithoutBase) if text.contains('.') => {
                Url::parse(&format!("https://{text}")).ok()?
            }
            Err(_) => return None,
        };
        if !matches!(url.scheme(), "http" | "https") {
            return None;
        }
        let host = url.host_str()?;
        let host = fold_host(host.strip_suffix('.').unwrap_or(host));
        // Without its dots, `0x..` would turn from a name into a number.
        if host.is_empty() || host.ends_with('.') {
            return None;
        }
        Some(Address {
            // An IP address has no registrable domain.
            site: if matches!(url.host(), Some(url::Host::Domain(_))) { site(host) } else { 0 },
            host: host.to_owned().into(),
            port: url.port(),
            path: url.path().to_owned().into(),
            query: url.query().map(|query| query.to_owned().into()),
        })
    }

    /// The same for a URL that WHATWG's rules leave unchanged, as for most URLs; `None` for all
    /// others.
    fn plain(text: &'t str) -> Option<Address<'t>> {
        let text = text.strip_prefix("https://").or_else(|| text.strip_prefix("http://"))?;
        let text = text.split_once('#').map_or(text, |(start, _)| start);
        let (rest, query) = text.split_once('?').map_or((text, None), |(rest, query)| (rest, Some(query)));
        let (host, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
        // Lower-case letters alone can be neither a number nor punycode; the last label shows
        // whether a host is a number.
        let mut last = 0;
        for label in host.split('.') {
            let plain = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-';
            if label.is_empty() || !label.bytes().all(plain) || label.contains("--") {
                return None;
            }
            last = host.len() - label.len();
        }
        let kept = |b: u8| b.is_ascii_alphanumeric() || b"-_~!$&()*+,;=:@/.".contains(&b);
        if host[last..].bytes().any(|b| !b.is_ascii_lowercase())
            || !path.bytes().all(kept)
            // Segments of one or two dots are relative.
            || path.contains("/.")
            || query.is_some_and(|query| !query.bytes().all(|b| kept(b) || b == b'%' || b == b'?'))
        {
            return None;
        }
        let host = fold_host(host);
        Some(Address {
            host: host.into(),
            site: site(host),
            port: None,
            path: if path.is_empty() { "/" } else { path }.into(),
            query: query.map(Cow::Borrowed),
        })
    }

    /// The canonical form: host and path without scheme.
    ///
    /// Lower-case host without `www.`, `m.`, `mobile.` and `amp.`; no user, fragment, default port,
    /// tracking parameter, trailing slash or `/amp`; percent-encoding as WHATWG writes it;
    /// parameters in order of name.
    pub(super) fn key(&self) -> String {
        let query = self.query.as_deref().unwrap_or_default();
        let mut key = String::with_capacity(self.host.len() + ":65535".len() + self.path.len() + 1 + query.len());
        key.push_str(&self.host);
        // The key has no scheme, so the default ports of `http` and `https` are left out.
        if let Some(port) = self.port.filter(|port| ![80, 443].contains(port)) {
            key.push_str(&format!(":{port}"));
        }
        let mut path = self.path.trim_end_matches('/');
        while let Some(rest) = path.strip_suffix("/amp") {
            path = rest.trim_end_matches('/');
        }
        key.push_str(path);
        if !query.is_empty() {
            let mut kept: Vec<&str> = query.split('&').collect();
            kept.retain(|pair| !pair.is_empty() && !is_tracking(pair.split('=').next().unwrap_or(pair)));
            kept.sort_unstable();
            for (place, pair) in kept.into_iter().enumerate() {
                key.push(if place == 0 { '?' } else { '&' });
                key.push_str(pair);
            }
        }
        key
    }

    /// The registrable domain.
    pub(super) fn site(&self) -> &str {
        &self.host[self.site..]
    }
}

/// The start of a host's registrable domain.
fn site(host: &str) -> usize {
    host.len() - psl::domain_str(host).unwrap_or(host).len()
}

/// Mobile and AMP hosts serve the same content as the main host.
fn fold_host(host: &str) -> &str {
    let mut folded = host;
    while let Some(rest) = ["www.", "m.", "mobile.", "amp."].iter().find_map(|p| folded.strip_prefix(p)) {
        // `m.uk` is a domain of its own, not the mobile host of `uk`.
        if psl::domain_str(rest).is_none() {
            break;
        }
        folded = rest;
    }
    folded
}

fn is_tracking(name: &str) -> bool {
    TRACKING.iter().any(|known| match known.strip_suffix('*') {
        Some(prefix) => name.get(..prefix.len()).is_some_and(|start| start.eq_ignore_ascii_case(prefix)),
        None => name.eq_ignore_ascii_case(known),
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn canonical(url: &str) -> Option<(String, String)> {
        Address::read(url).map(|address| (address.key(), address.site().to_owned()))
    }

    fn check(url: &str, key: &str, source: &str) {
        assert_eq!(canonical(url), Some((key.to_string(), source.to_string())), "{url}");
    }

    #[test]
    fn one_page_has_one_key() {
        for same in [
            "https://www.Example.com/a/b/?utm_source=x&id=7#top",
            "http://example.com:80/a/b?id=7&fbclid=zzz",
            "https://m.example.com/a/b/?id=7",
            "https://amp.example.com/a/b/amp?id=7",
            "example.com/a/b?id=7",
            "example.com:443/a/b//amp/amp/?id=7",
            "http://example.com:443/a/b?id=7",
            " https://user:pw@example.com/a/b?id=7&UTM_Campaign=y ",
        ] {
            check(same, "example.com/a/b?id=7", "example.com");
        }
    }

    #[test]
    fn the_source_is_the_registrable_domain() {
        check("https://news.bbc.co.uk/x", "news.bbc.co.uk/x", "bbc.co.uk");
        check("https://blog.example.github.io/x", "blog.example.github.io/x", "example.github.io");
        check("https://d6619.invalid/u1", "d6619.invalid/u1", "d6619.invalid");
        check("http://127.0.0.1:8080/x", "127.0.0.1:8080/x", "127.0.0.1");
        check("https://müller.example/ä", "xn--mller-kva.example/%C3%A4", "xn--mller-kva.example");
    }

    #[test]
    fn parameters_are_sorted() {
        check("https://e.example/?b=2&a=1", "e.example?a=1&b=2", "e.example");
    }

    #[test]
    fn what_is_no_web_address_is_no_key() {
        for none in [
            "",
            "mailto:a@b.example",
            "javascript:alert(1)",
            "hello",
            "http://",
            "\0",
            "https://[::1",
            "http://./",
            "http://0x../",
        ] {
            assert_eq!(canonical(none), None, "{none}");
        }
    }

    #[test]
    fn most_addresses_are_plain() {
        for plain in ["https://www.e.example/a/b_c-d.html?x=1&y=%20#top", "http://e.example", "https://m.uk/x/@y:1"] {
            assert!(Address::plain(plain).is_some(), "{plain}");
        }
        for other in
            ["e.example/a", "https://e.example:80/", "https://E.example", "https://e.example/a/../b", "https://e.1"]
        {
            assert_eq!(Address::plain(other), None, "{other}");
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(4_000))]
        #[test]
        fn a_plain_address_is_what_whatwg_makes_of_it(
            text in prop_oneof![
                "https?://(www\\.|m\\.|amp\\.)?[a-z0-9.-]{1,12}\\.[a-z0-9]{1,4}(/[ -~]{0,12}){0,3}([?][ -~]{0,20})?(#.{0,5})?",
                "https?://([a-z0-9-]{1,9}\\.){1,3}[a-z]{2,4}(/[a-zA-Z0-9_.~!$&()*+,;=:@%-]{0,6}){0,4}([?][a-zA-Z0-9_.~!$&()*+,;=:@%?/-]{0,20})?",
                "https?://[a-zA-Z0-9.:@x-]{1,12}[/?#a.]{0,6}[ -~]{0,12}",
                "https://a[.]b[/ -~]{0,20}",
                ".{0,20}",
            ]
        ) {
            if let Some(plain) = Address::plain(text.trim()) {
                prop_assert_eq!(Some(plain), Address::any(text.trim()));
            }
        }

        #[test]
        fn each_sign_in_each_place_is_as_whatwg_has_it(sign in any::<char>(), ascii in 0u8..128) {
            for sign in [sign, char::from(ascii)] {
                for text in [
                    format!("https://a{sign}b.example/x"), format!("https://a.b{sign}/x"), format!("https://{sign}a.b/"),
                    format!("https://a.b{sign}"), format!("https://a.b/{sign}x/{sign}{sign}"), format!("https://a.b/?{sign}=%{sign}"),
                    format!("https://a.b/c#{sign}"), format!("http://xn{sign}-a.b"), format!("https{sign}://a.b"),
                ] {
                    if let Some(plain) = Address::plain(text.trim()) {
                        prop_assert_eq!(Some(plain), Address::any(text.trim()));
                    }
                }
            }
        }
    }
}
