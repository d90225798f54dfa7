//! `--seed FILE`: what a third party's conformance suite expects to find, in an empty database. For tests only.
//!
//! `config/taxii-seed.example.json` shows the format. Users of a seed have passwords of the file's choice, which exist only while
//! the process runs that was started with it: a password has too few bits for the fast hash of [`keys`](crate::service::keys), and
//! nobody reviews what a seed brings. Without a seed nothing here can be reached.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::Path,
};

use jiff::Timestamp;
use serde::Deserialize;
use serde_json::Value;
use sha2::{Digest, Sha256};

use super::site::{Root, STATUS_KEPT, Site, TestUser};
use crate::{
    config::Config,
    object,
    service::SharingError,
    store::{
        Store, StoreError,
        database::Session,
        objects::{Added, Adding, NewCollection, NewStatus, add_collection, grant, put_status},
    },
};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Seed {
    discovery: Discovery,
    users: Vec<User>,
    /// Objects in a page when the client names no limit, and the most whatever it names.
    page_size: Option<usize>,
    max_page_size: Option<usize>,
    api_roots: Vec<SeedRoot>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Discovery {
    title: String,
    description: Option<String>,
    contact: Option<String>,
    /// Path of an API root; the first where it is left out.
    default: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct User {
    name: String,
    password: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct SeedRoot {
    /// One segment, below /taxii2/.
    path: String,
    title: String,
    description: Option<String>,
    #[serde(default = "max_content")]
    max_content_length: u64,
    #[serde(default)]
    collections: Vec<SeedCollection>,
    #[serde(default)]
    statuses: Vec<SeedStatus>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct SeedCollection {
    id: String,
    title: String,
    description: Option<String>,
    alias: Option<String>,
    #[serde(default = "stix_21")]
    media_types: Vec<String>,
    /// What every user may do, unless `users` says otherwise.
    #[serde(default)]
    can_read: bool,
    #[serde(default)]
    can_write: bool,
    /// Where it is there, users that it does not name do not see the collection.
    users: Option<BTreeMap<String, Rights>>,
    #[serde(default)]
    objects: Vec<SeedObject>,
}

#[derive(Clone, Copy, Deserialize)]
#[serde(deny_unknown_fields)]
struct Rights {
    can_read: bool,
    can_write: bool,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct SeedObject {
    date_added: String,
    object: Value,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct SeedStatus {
    /// Who may read it; the first user where it is left out.
    user: Option<String>,
    /// The resource, given out as it is.
    status: Value,
}

fn max_content() -> u64 {
    2 * 1024 * 1024
}

fn stix_21() -> Vec<String> {
    vec!["application/stix+json;version=2.1".to_owned()]
}

/// Fills an empty database from the file, and returns the site that goes with it.
pub(super) fn plant(file: &Path, config: &Config, store: &Store) -> Result<Site, SharingError> {
    let wrong = |why: String| SharingError::Seed(format!("the seed {}: {why}", file.display()));
    if !config.policy().map_err(SharingError::Config)?.partners().is_empty() {
        let why = "a seed is for tests and does not go with partners: remove sharing.recipients from the configuration";
        return Err(wrong(why.to_owned()));
    }
    let text = std::fs::read(file).map_err(|error| wrong(format!("{error}; name a file that can be read")))?;
    let mut reading = serde_json::Deserializer::from_slice(&text);
    let seed: Seed = serde_path_to_error::deserialize(&mut reading)
        .map_err(|error| wrong(format!("at {}: {}", error.path(), error.inner())))?;
    reading.end().map_err(|error| wrong(format!("after the end: {error}")))?;
    let site = site(&seed, config).map_err(&wrong)?;
    let mut bad = None;
    let planted = store.seed(|tx| {
        let expires_at = Timestamp::now().as_microsecond().saturating_add(STATUS_KEPT);
        let mut filling =
            Filling { seed: &seed, site: &site, expires_at, ids: BTreeSet::new(), names: BTreeSet::new() };
        match filling.fill(tx) {
            Err(Bad::Seed(why)) => {
                bad = Some(why);
                // Undoes the transaction.
                Err(StoreError::Unreadable { what: "nothing", why: String::new() })
            }
            Err(Bad::Store(error)) => Err(error),
            Ok(()) => Ok(()),
        }
    });
    if let Some(why) = bad {
        return Err(wrong(why));
    }
    planted?;
    tracing::warn!(seed = %file.display(), users = site.users.len(), "serving a seed, which is for tests only");
    Ok(site)
}

fn site(seed: &Seed, config: &Config) -> Result<Site, String> {
    if seed.api_roots.is_empty() {
        return Err("at api_roots: give at least one".to_owned());
    }
    if seed.users.is_empty() {
        return Err("at users: give at least one, nobody could ask otherwise".to_owned());
    }
    let mut roots: Vec<Root> = Vec::new();
    for (index, root) in seed.api_roots.iter().enumerate() {
        let at = format!("at api_roots[{index}]");
        let fit = !root.path.is_empty() && root.path.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_.~".contains(&b));
        if !fit || root.path.starts_with('.') {
            return Err(format!("{at}.path: {:?} is not one segment of a path", root.path));
        }
        if roots.iter().any(|other| other.path == root.path) {
            return Err(format!("{at}.path: {:?} is there twice", root.path));
        }
        if !(1..=100 * 1024 * 1024).contains(&root.max_content_length) {
            return Err(format!("{at}.max_content_length: set 1 to 104857600 bytes"));
        }
        roots.push(Root {
            path: root.path.clone(),
            title: root.title.clone(),
            description: root.description.clone(),
            max_content: root.max_content_length,
        });
    }
    let default = seed.discovery.default.clone().unwrap_or_else(|| roots[0].path.clone());
    if !roots.iter().any(|root| root.path == default) {
        return Err(format!("at discovery.default: {default:?} is no path of api_roots"));
    }
    let mut users: Vec<TestUser> = Vec::new();
    for (index, user) in seed.users.iter().enumerate() {
        if user.name.is_empty() || user.name.contains(':') || user.name.chars().any(char::is_control) {
            return Err(format!("at users[{index}].name: HTTP Basic needs a name, without ':'"));
        }
        if users.iter().any(|other| other.name == user.name) {
            return Err(format!("at users[{index}].name: {:?} is there twice", user.name));
        }
        users.push(TestUser { name: user.name.clone(), hash: Sha256::digest(user.password.as_bytes()).to_vec() });
    }
    let page_max = seed.max_page_size.unwrap_or(config.taxii_page_max.max(seed.page_size.unwrap_or(0)));
    let page = seed.page_size.unwrap_or(config.taxii_page.min(page_max));
    if !(1..=10_000).contains(&page_max) || !(1..=page_max).contains(&page) {
        return Err(format!("at page_size: {page}: set 1 to max_page_size ({page_max}), and that to 10000 at most"));
    }
    let Discovery { title, description, contact, .. } = &seed.discovery;
    Ok(Site {
        title: title.clone(),
        description: description.clone(),
        contact: contact.clone(),
        default,
        roots,
        page,
        page_max,
        users,
    })
}

enum Bad {
    Seed(String),
    Store(StoreError),
}

impl From<StoreError> for Bad {
    fn from(error: StoreError) -> Self {
        Bad::Store(error)
    }
}

struct Filling<'a> {
    seed: &'a Seed,
    site: &'a Site,
    expires_at: i64,
    /// Ids of collections and statuses so far.
    ids: BTreeSet<String>,
    /// Aliases so far, each with its API root.
    names: BTreeSet<(String, String)>,
}

impl Filling<'_> {
    fn fill(&mut self, tx: &mut dyn Session) -> Result<(), Bad> {
        let seed = self.seed;
        for (index, root) in seed.api_roots.iter().enumerate() {
            for (n, collection) in root.collections.iter().enumerate() {
                self.collection(tx, root, collection, &format!("at api_roots[{index}].collections[{n}]"))?;
            }
            for (n, status) in root.statuses.iter().enumerate() {
                self.status(tx, root, status, &format!("at api_roots[{index}].statuses[{n}]"))?;
            }
        }
        Ok(())
    }

    fn collection(
        &mut self,
        tx: &mut dyn Session,
        root: &SeedRoot,
        given: &SeedCollection,
        at: &str,
    ) -> Result<(), Bad> {
        self.id(&given.id, &format!("{at}.id"))?;
        if let Some(alias) = &given.alias {
            let fit = !alias.is_empty() && !alias.chars().any(|c| c.is_control() || c == '/');
            if !fit || !self.names.insert((root.path.clone(), alias.clone())) {
                return Err(Bad::Seed(format!(
                    "{at}.alias: {alias:?} has to be one segment of a path, and the only one below its API root"
                )));
            }
        }
        if let Some(n) = given.media_types.iter().position(|media| media.contains(',')) {
            return Err(Bad::Seed(format!("{at}.media_types[{n}]: one media type has no comma")));
        }
        let number = add_collection(
            tx,
            &NewCollection {
                root: &root.path,
                id: &given.id,
                title: &given.title,
                description: given.description.as_deref().unwrap_or_default(),
                alias: given.alias.as_deref(),
                media_types: &given.media_types.join(","),
            },
        )?;
        let everyone = Rights { can_read: given.can_read, can_write: given.can_write };
        match &given.users {
            None => {
                for user in &self.site.users {
                    grant(tx, &user.holder(), number, everyone.can_read, everyone.can_write)?;
                }
            }
            Some(users) => {
                for (name, rights) in users {
                    let holder = self.holder(name, &format!("{at}.users"))?;
                    grant(tx, &holder, number, rights.can_read, rights.can_write)?;
                }
            }
        }
        let mut adding = Adding::begin(tx, number)?;
        for (n, given_object) in given.objects.iter().enumerate() {
            let at = format!("{at}.objects[{n}]");
            let Some(date_added) = object::time(&given_object.date_added) else {
                let why = format!("{at}.date_added: {:?} is no timestamp", given_object.date_added);
                return Err(Bad::Seed(format!("{why} like 2026-01-31T12:00:00.000000Z")));
            };
            let text = given_object.object.to_string();
            let object = object::check(&given_object.object, &text, &given.media_types)
                .map_err(|rejected| Bad::Seed(format!("{at}.object: {}", rejected.why)))?;
            if !matches!(adding.add_at(tx, &object, date_added)?, Added::New(_)) {
                return Err(Bad::Seed(format!("{at}.object: {} is there already in this version", object.id)));
            }
        }
        adding.end(tx)?;
        Ok(())
    }

    fn status(&mut self, tx: &mut dyn Session, root: &SeedRoot, given: &SeedStatus, at: &str) -> Result<(), Bad> {
        let (entry, at) = (at, format!("{at}.status"));
        let id = given.status["id"].as_str().unwrap_or_default();
        self.id(id, &format!("{at}.id"))?;
        if !["complete", "pending"].contains(&given.status["status"].as_str().unwrap_or_default()) {
            return Err(Bad::Seed(format!("{at}.status: write \"complete\" or \"pending\"")));
        }
        let mut sum = 0;
        for name in ["success_count", "failure_count", "pending_count"] {
            let Some(count) = given.status[name].as_u64() else {
                return Err(Bad::Seed(format!("{at}.{name}: a status needs this number")));
            };
            sum += count;
        }
        if given.status["total_count"].as_u64() != Some(sum) {
            return Err(Bad::Seed(format!("{at}.total_count: it is not the sum of the other three, {sum}")));
        }
        let first = self.site.users.first().map_or("", |user| &user.name);
        let holder = self.holder(given.user.as_deref().unwrap_or(first), &format!("{entry}.user"))?;
        put_status(
            tx,
            &NewStatus {
                id: id.to_owned(),
                root: root.path.clone(),
                holder,
                expires_at: self.expires_at,
                body: given.status.to_string(),
            },
        )?;
        Ok(())
    }

    fn id(&mut self, id: &str, at: &str) -> Result<(), Bad> {
        if id.len() != 36 || uuid::Uuid::try_parse(id).is_err() {
            return Err(Bad::Seed(format!("{at}: {id:?} is no UUID")));
        }
        if !self.ids.insert(id.to_owned()) {
            return Err(Bad::Seed(format!("{at}: {id} is there twice")));
        }
        Ok(())
    }

    fn holder(&self, name: &str, at: &str) -> Result<String, Bad> {
        match self.site.users.iter().find(|user| user.name == name) {
            Some(user) => Ok(user.holder()),
            None => Err(Bad::Seed(format!("{at}: {name:?} is none of users"))),
        }
    }
}
