//! `url`: the same canonical address.

use std::collections::BTreeMap;

use url::Url;

use super::{Reader, Trace};
use crate::{cluster::TraceKind, params::Params, post::Post};

/// Parameters that say how a reader came, not what is read. A trailing `*` stands for any ending.
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
/// More links in a post than this are not read.
const MOST: usize = 10;

pub(super) struct Urls {
    short_links: BTreeMap<String, String>,
}

impl Urls {
    pub(super) fn new(params: &Params) -> Urls {
        Urls { short_links: params.short_links.clone() }
    }
}

impl Reader for Urls {
    fn read(&self, post: &Post<'_>, traces: &mut Vec<Trace>) {
        let before = traces.len();
        for url in post.urls.iter().take(MOST) {
            let Some((mut key, mut source)) = canonical(url) else {
                continue;
            };
            if let Some((k, s)) = self.short_links.get(&key).and_then(|target| canonical(target)) {
                (key, source) = (k, s);
            }
            if !traces[before..].iter().any(|t| t.key == key) {
                traces.push(Trace::new(TraceKind::Url, key, source));
            }
        }
    }
}

/// The canonical form of an address, host and path without scheme, and its registrable domain.
///
/// Lower-case host without `www.`, `m.`, `mobile.` and `amp.`; no user, fragment, default port, tracking parameter, trailing
/// slash or `/amp`; percent-encoding as WHATWG writes it; parameters in order of name. `None` where it is no web address.
pub(crate) fn canonical(text: &str) -> Option<(String, String)> {
    let text = text.trim();
    let url = match Url::parse(text) {
        // No scheme has a dot: what stands before the colon is a host, and after it its port.
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
    // With its dots taken off, `0x..` would turn from a name into a number.
    if host.is_empty() || host.ends_with('.') {
        return None;
    }
    let mut key = host.to_string();
    // The key says neither `http` nor `https`, so either's own port is no part of it.
    if let Some(port) = url.port().filter(|port| ![80, 443].contains(port)) {
        key.push_str(&format!(":{port}"));
    }
    let mut path = url.path().trim_end_matches('/');
    while let Some(rest) = path.strip_suffix("/amp") {
        path = rest.trim_end_matches('/');
    }
    key.push_str(path);
    let mut kept: Vec<&str> = url.query().map_or(Vec::new(), |q| q.split('&').collect());
    kept.retain(|pair| !pair.is_empty() && !is_tracking(pair.split('=').next().unwrap_or(pair)));
    if !kept.is_empty() {
        kept.sort_unstable();
        key.push('?');
        key.push_str(&kept.join("&"));
    }
    // An address in numbers has no registrable domain.
    let domain = match url.host() {
        Some(url::Host::Domain(_)) => psl::domain_str(host).unwrap_or(host),
        _ => host,
    };
    let domain = domain.to_string();
    Some((key, domain))
}

/// Mobile and AMP hosts serve what the main host serves.
fn fold_host(host: &str) -> &str {
    let mut folded = host;
    while let Some(rest) = ["www.", "m.", "mobile.", "amp."].iter().find_map(|p| folded.strip_prefix(p)) {
        // `m.uk` is a domain of its own, not the mobile face of `uk`.
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
    use super::*;

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
}
