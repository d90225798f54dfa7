//! Where the database is, as it may be shown.

/// What a build without PostgreSQL says where it is asked for.
pub(crate) const WITHOUT_POSTGRES: &str =
    "this build has no PostgreSQL: name a file, or build with the Cargo feature `postgres`";

/// Whether a place is a PostgreSQL server, and not a file.
pub(crate) fn is_postgres(place: &str) -> bool {
    place.starts_with("postgres://") || place.starts_with("postgresql://")
}

/// Stands for a secret.
pub(crate) const MASK: &str = "***";

/// A place as it may be shown: with `***` for the password in an address.
pub(crate) fn without_password(place: &str) -> String {
    let Some((scheme, rest)) = place.split_once("://") else { return place.to_owned() };
    // Not read as a URL: an address with several hosts is none, and one that is wrong may have a password all the same.
    let (authority, tail) = rest.split_at(rest.find(['/', '?']).unwrap_or(rest.len()));
    let authority = match authority.rsplit_once('@') {
        Some((user, host)) => match user.split_once(':') {
            Some((name, _)) => format!("{name}:{MASK}@{host}"),
            None => authority.to_owned(),
        },
        // A port is digits; whatever else follows a colon was meant as a password.
        None => match authority.split_once(':') {
            Some((name, port)) if !port.split([',', ':']).all(is_host_or_port) => format!("{name}:{MASK}"),
            _ => authority.to_owned(),
        },
    };
    let (path, query) = tail.split_once('?').map_or((tail, None), |(path, query)| (path, Some(query)));
    let query = query.map(|query| {
        let shown = query.split('&').map(|pair| match pair.split_once('=') {
            Some((key, _)) if key.contains("password") => format!("{key}={MASK}"),
            _ => pair.to_owned(),
        });
        format!("?{}", shown.collect::<Vec<_>>().join("&"))
    });
    format!("{scheme}://{authority}{path}{}", query.unwrap_or_default())
}

fn is_host_or_port(text: &str) -> bool {
    text.bytes().all(|b| b.is_ascii_digit()) || text.contains('.')
}
